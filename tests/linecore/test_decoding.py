import io
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from linecore.decoding import MAX_ENCODED_BYTES, decode
from linecore.errors import ImageError
from linecore.inspection import Image
from tests.linecore.encoded import COLOUR, DEEP, DEEP_COLOUR, GREY, NOISE, bmp, by_pillow, chunk, png, tiff

JPEG = cv2.imencode(".jpg", NOISE)[1].tobytes()
PNG = cv2.imencode(".png", NOISE)[1].tobytes()
RGB = (DEEP_COLOUR >> 8).astype(np.uint8)


def encode(suffix: str, image: Image) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_files_come_out_as_they_went_in(suffix: str, image: Image) -> None:
    decoded = decode(encode(suffix, image))
    assert decoded.dtype == np.uint8
    # A BMP of grey pixels is a palette image: three equal channels.
    assert np.array_equal(decoded if decoded.ndim == image.ndim else decoded[:, :, 0], image)
    assert not decoded.flags.writeable


def test_a_grey_jpeg_stays_grey() -> None:
    decoded = decode(encode(".jpg", GREY))
    assert decoded.shape == GREY.shape
    assert np.abs(decoded.astype(int) - GREY).max() < 10


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_of_16_bits_the_upper_8_are_taken(form: str) -> None:
    assert np.array_equal(decode(by_pillow(DEEP, form)), DEEP >> 8)
    suffix = ".png" if form == "PNG" else ".tiff"
    assert np.array_equal(decode(encode(suffix, DEEP_COLOUR)), DEEP_COLOUR >> 8)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_transparency_is_left_out(form: str) -> None:
    clear = np.dstack([RGB, NOISE])
    assert np.array_equal(decode(by_pillow(clear, form)), RGB[..., ::-1])
    if form != "BMP":
        assert np.array_equal(decode(by_pillow(np.dstack([GREY, NOISE]), form)), GREY)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_a_palette_becomes_colours_and_a_grey_one_stays_grey(form: str) -> None:
    picture = Picture.fromarray(RGB).quantize(32)
    written = io.BytesIO()
    picture.save(written, form)
    assert np.array_equal(decode(written.getvalue()), np.array(picture.convert("RGB"))[..., ::-1])
    grey = Picture.fromarray(NOISE).convert("P")
    grey.putpalette([value for value in range(256) for _ in range(3)])
    written = io.BytesIO()
    grey.save(written, form)
    assert np.array_equal(decode(written.getvalue()), NOISE)


def test_a_cmyk_jpeg_looks_as_other_programs_show_it() -> None:
    encoded = by_pillow(RGB, "JPEG", "CMYK", quality=100)
    shown = np.array(Picture.open(io.BytesIO(encoded)).convert("RGB"))[..., ::-1]
    assert np.abs(decode(encoded).astype(int) - shown).max() <= 2


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}], ids=str)
def test_a_jpeg_has_the_pixels_that_opencv_gives_it(options: dict[str, Any]) -> None:
    for pixels in (RGB, NOISE):
        encoded = by_pillow(pixels, "JPEG", **options)
        seen = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_ANYCOLOR)
        assert seen is not None
        assert np.array_equal(decode(encoded), seen)


def test_an_interlaced_png_is_an_image_like_any_other() -> None:
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    rows = (row for top, down, left, right in passes for row in NOISE[top::down, left::right])
    plain = png(64, 48, packed=zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    interlaced = plain[:8] + chunk(b"IHDR", plain[16:28] + b"\1") + plain[33:]
    assert np.array_equal(decode(interlaced), NOISE)


@pytest.mark.parametrize(("depth", "packed", "white"), [(1, 0b11000000, 255), (2, 0b11110000, 255), (4, 0xFF, 255)])
def test_few_bits_are_spread_over_8(depth: int, packed: int, white: int) -> None:
    assert decode(png(2, 1, depth=depth, packed=zlib.compress(bytes([0, packed])))).tolist() == [[white, white]]


def test_colour_management_and_a_transparent_grey_change_no_pixel() -> None:
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in NOISE))
    more = chunk(b"gAMA", b"\0\0\xff\xff") + chunk(b"sRGB", b"\0") + chunk(b"tRNS", b"\0\x80")
    assert np.array_equal(decode(png(64, 48, packed=rows, more=more)), NOISE)


def test_a_jpeg_may_hold_rgb() -> None:
    encoded = by_pillow(RGB, "JPEG", quality=100, keep_rgb=True)
    assert np.abs(decode(encoded).astype(int) - RGB[..., ::-1]).max() <= 3


def test_a_bmp_may_have_its_first_row_first() -> None:
    assert np.array_equal(decode(bmp(64, -48, pixels=COLOUR.tobytes())), COLOUR)
    assert np.array_equal(decode(bmp(64, 48, pixels=COLOUR[::-1].tobytes())), COLOUR)


@pytest.mark.parametrize("version", [40, 52, 56, 108, 124])
@pytest.mark.parametrize("packing", [0, 3], ids=["plain", "masks"])
def test_every_version_of_bmp_has_the_same_pixels(version: int, packing: int) -> None:
    rows = np.dstack([RGB, NOISE])[::-1].tobytes()
    assert np.array_equal(decode(bmp(64, 48, bits=32, version=version, packing=packing, pixels=rows)), RGB)


def test_what_follows_the_end_of_a_file_does_no_harm() -> None:
    for encoded in (JPEG, PNG, encode(".bmp", NOISE), tiff(NOISE)):
        assert np.array_equal(decode(encoded + b"camera settings" * 1000), decode(encoded))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff"])
def test_a_truncated_file_is_refused_rather_than_filled_with_grey(suffix: str) -> None:
    encoded = encode(suffix, NOISE)
    for length in range(1, len(encoded), 97):
        with pytest.raises(ImageError):
            decode(encoded[:length])


@pytest.mark.parametrize("content", [b"", b"GIF89a" + bytes(100), b"hello", bytes(MAX_ENCODED_BYTES + 1)])
def test_what_is_no_image_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(ImageError):
        decode(content)


@pytest.mark.parametrize("mark", [b"II+\0", b"MM\0+"])
def test_a_bigtiff_is_named(mark: bytes) -> None:
    with pytest.raises(ImageError, match="it is a BigTIFF"):
        decode(mark + bytes(100))


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:], "is damaged"),
        (PNG[:29] + bytes(4) + PNG[33:], "is damaged"),  # the checksum of the header
        (png(64, 48, packed=zlib.compress(bytes(1000))), "is damaged"),
        (png(64, 48, packed=b""), "too few for 64 x 48"),
        (png(4, 4, colour=3), "is damaged"),  # a palette image without its palette
    ],
)
def test_a_damaged_png_is_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(encoded)


@pytest.mark.parametrize("pixels", [NOISE, RGB], ids=["grey", "colour"])
def test_a_jpeg_that_lost_a_block_in_its_middle_is_refused(pixels: Image) -> None:
    encoded = by_pillow(pixels, "JPEG", quality=95)
    damaged = encoded[: len(encoded) // 2] + bytes(256) + encoded[len(encoded) // 2 + 256 :]
    with pytest.raises(ImageError, match="the JPEG is damaged"):
        decode(damaged)


# What a refusal costs: the growth of the process's largest resident size, in KiB, after the libraries are loaded.
COST = """
import re, sys
from pathlib import Path
from linecore.decoding import decode
from linecore.errors import ImageError

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

decode(Path(sys.argv[1]).read_bytes())
before = peak()
try:
    decode(Path(sys.argv[2]).read_bytes())
except ImageError as error:
    print(peak() - before, error)
"""


def black_png(side: int) -> bytes:
    """Write a PNG that really holds its pixels: 900 megapixels are less than a megabyte."""
    packing = zlib.compressobj(1)
    rows = bytes((side + 1) * 100)
    packed = b"".join(packing.compress(rows) for _ in range(side // 100)) + packing.flush()
    return png(side, side, packed=packed)


BOMBS = {
    "png": lambda: black_png(30_000),
    "jpeg": lambda: JPEG.replace(b"\x00\x30\x00\x40", b"\x75\x30\x75\x30"),
    "bmp": lambda: bmp(30_000, 30_000, bits=8, packing=1, pixels=bytes(1000)),
    "tiff": lambda: tiff(None, packed=True, tags={256: 30_000, 257: 30_000, 278: 30_000}),
    "a tile of a tiff": lambda: tiff(None, packed=True, tile=16, tags={322: 30_000, 323: 30_000}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_costs_less_than_50_megabytes(name: str, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(PNG)
    (tmp_path / "bomb").write_bytes(BOMBS[name]())
    command = [sys.executable, "-c", COST, str(tmp_path / "small"), str(tmp_path / "bomb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    kilobytes, reason = done.stdout.rstrip("\n").split(" ", 1)
    assert int(kilobytes) < 50_000
    assert "30000 x 30000 pixels" in reason
    assert "\n" not in reason
