import io

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from linecore.decoding import decode
from linecore.errors import ImageError
from tests.linecore.encoded import DEEP, DEEP_COLOUR, GREY, NOISE, Order, Pixels, Tags, by_pillow, tiff

COLOUR = (DEEP_COLOUR >> 8).astype(np.uint8)


def expected(pixels: Pixels) -> Pixels:
    eight = (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8)
    return eight[..., 2::-1] if pixels.ndim == 3 else eight


@pytest.mark.parametrize("pixels", [NOISE, COLOUR, DEEP, DEEP_COLOUR], ids=["grey", "colour", "deep", "deep colour"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("tile", "rows"), [(0, 0), (0, 7), (16, 0), (80, 0)])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "deflated"])
def test_strips_and_tiles_come_out_as_they_went_in(
    pixels: Pixels, order: Order, tile: int, rows: int, packed: bool
) -> None:
    for predict in (False, packed):
        encoded = tiff(pixels, order=order, packed=packed, predict=predict, tile=tile, rows=rows)
        assert np.array_equal(decode(encoded), expected(pixels))


def test_planes_one_after_the_other_are_put_together() -> None:
    tags: Tags = {257: 48, 258: [8, 8, 8], 262: 2, 277: 3, 278: 48, 284: 2}
    encoded = tiff(COLOUR.transpose(2, 0, 1).reshape(-1, 64), rows=48, tags=tags)
    assert np.array_equal(decode(encoded), expected(COLOUR))


def test_white_may_be_zero_and_colours_may_come_from_a_palette() -> None:
    assert np.array_equal(decode(tiff(NOISE, tags={262: 0})), 255 - NOISE)
    palette = np.random.default_rng(1).integers(0, 65_536, (3, 256))
    painted = decode(tiff(NOISE, tags={262: 3, 320: palette.ravel().tolist()}))
    assert np.array_equal(painted, (palette[::-1] >> 8)[:, NOISE].transpose(1, 2, 0))
    ramp = (np.arange(256) * 257).tolist() * 3
    assert np.array_equal(decode(tiff(NOISE, tags={262: 3, 320: ramp})), NOISE)


def test_transparency_is_left_out() -> None:
    clear = np.dstack([COLOUR, NOISE])
    assert np.array_equal(decode(by_pillow(clear, "TIFF")), expected(COLOUR))
    assert np.array_equal(decode(tiff(np.dstack([NOISE, GREY]))), NOISE)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits"])
def test_packed_files_come_out_as_they_went_in(compression: str) -> None:
    for pixels in (NOISE, COLOUR, DEEP, np.dstack([COLOUR, NOISE])):
        assert np.array_equal(decode(by_pillow(pixels, "TIFF", compression=compression)), expected(pixels))


def test_packed_strips_tiles_and_predictors_are_taken_apart_alike() -> None:
    for pixels in (NOISE, DEEP, DEEP_COLOUR):
        shown = expected(pixels)[..., ::-1] if pixels.ndim == 3 else expected(pixels)  # OpenCV takes BGR
        assert np.array_equal(decode(cv2.imencode(".tiff", pixels)[1].tobytes()), shown)  # LZW with a predictor
    content = io.BytesIO()
    Picture.fromarray(NOISE).save(content, "TIFF", compression="tiff_lzw", tiffinfo={278: 7})
    assert np.array_equal(decode(content.getvalue()), NOISE)


def test_packed_data_that_end_too_early_are_refused() -> None:
    encoded = by_pillow(GREY, "TIFF", compression="tiff_lzw")
    height, rows = (encoded.index(tag + b"\3\0\1\0\0\0\x30\0") for tag in (b"\1\1", b"\x16\1"))
    taller = bytearray(encoded)
    taller[height + 8] = taller[rows + 8] = 60
    for damaged in (bytes(taller), encoded[:100] + bytes(200) + encoded[300:]):
        with pytest.raises(ImageError, match="its packed data cannot be read"):
            decode(damaged)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (tiff(NOISE, packed=True, tags={317: 3}), "predictor 3"),
        (tiff(NOISE, tags={262: 3}), "a palette that does not have 256 colours"),
        (tiff(NOISE, tags={262: 3, 320: [1, 2, 3]}), "a palette that does not have 256 colours"),
        (tiff(NOISE, rows=24, tags={279: [1500, 1572]}), "has 1500 of 1536 bytes"),
        (tiff(NOISE, tags={259: 8}), "is damaged: Error -3"),
        (tiff(NOISE, packed=True, tags={257: 49, 278: 49}), "has 3072 of 3136 bytes"),
        (tiff(NOISE, packed=True, tags={279: 500}), "a part of it does not end where it should"),
        (tiff(NOISE, packed=True, tags={256: 8, 257: 8}), "a part of it does not end where it should"),
    ],
)
def test_what_is_damaged_is_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(encoded)


def test_no_flipped_bit_of_deflated_pixels_is_passed_over() -> None:
    encoded = tiff(NOISE, packed=True)
    for at in range(20, 3000, 50):
        damaged = bytearray(encoded)
        damaged[at] ^= 16
        with pytest.raises(ImageError, match="is damaged"):
            decode(bytes(damaged))
