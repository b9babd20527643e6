import cv2
import numpy as np
import pytest

from linecore.decoding import MAX_ENCODED_BYTES, decode
from linecore.errors import ImageError
from linecore.inspection import Image

GREY: Image = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
COLOUR: Image = np.dstack([GREY, GREY, 255 - GREY])


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


def test_16_bits_become_8() -> None:
    deep = GREY.astype(np.uint16) * 256
    decoded = decode(cv2.imencode(".png", deep)[1].tobytes())
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, GREY)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_a_truncated_file_is_refused_rather_than_filled_with_grey(suffix: str) -> None:
    encoded = encode(suffix, COLOUR)
    with pytest.raises(ImageError):
        decode(encoded[: len(encoded) // 2])


@pytest.mark.parametrize("content", [b"", b"GIF89a" + bytes(100), b"hello", bytes(MAX_ENCODED_BYTES + 1)])
def test_what_is_no_image_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(ImageError):
        decode(content)


def test_a_damaged_file_is_refused() -> None:
    encoded = bytearray(encode(".png", COLOUR))
    encoded[16:24] = bytes(8)  # width and height
    with pytest.raises(ImageError):
        decode(bytes(encoded))
