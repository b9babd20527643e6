import cv2
import pytest

from linecore.errors import ImageError
from linecore.headers.bmp import read_bmp
from tests.linecore.encoded import COLOUR, bmp

BMP = cv2.imencode(".bmp", COLOUR)[1].tobytes()


@pytest.mark.parametrize("version", [40, 52, 56, 108, 124])
def test_every_version_that_is_still_written_is_read(version: int) -> None:
    header = read_bmp(bmp(5, 3, version=version, pixels=bytes(48)))
    assert (header.width, header.height) == (5, 3)


def test_rows_may_come_from_the_top() -> None:
    assert read_bmp(bmp(5, -3, pixels=bytes(48))).height == 3


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (BMP[:20], "ends within its header"),
        (BMP[:-1], "bytes that its pixels need: it was cut off"),
        (bmp(5, 3, version=12, pixels=bytes(48)), "a header of 12 bytes"),
        (BMP[:14] + b"\x10" + BMP[15:], "a header of 16 bytes"),
        (bmp(0, 3), "0 x 3 pixels, which is no image"),
        (bmp(-5, 3), "which is no image"),
        (bmp(2**31 - 1, 1), "the limit is 65535 a side"),
        (bmp(5, -(2**31)), "the limit is 65535 a side"),
        (bmp(30_000, 30_000), "134217728 in all"),
        (bmp(5, 3, bits=8, packing=1, pixels=bytes(48)), "is packed"),
        (bmp(5, 3, packing=4, pixels=bytes(48)), "is packed"),
        (bmp(5, 3, bits=16, packing=3, pixels=bytes(48)), "where a line does not look for them"),
        (bmp(5, 3, bits=23, pixels=bytes(48)), "23 bits a pixel"),
        (BMP[:10] + bytes(4) + BMP[14:], "begin at byte 0, within its header"),
    ],
)
def test_what_cannot_be_is_refused_by_the_header(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_bmp(encoded)
