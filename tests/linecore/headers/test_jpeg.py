import struct
import time

import cv2
import pytest

from linecore.errors import ImageError
from linecore.headers.jpeg import read_jpeg
from tests.linecore.encoded import COLOUR, GREY, by_pillow

JPEG = cv2.imencode(".jpg", COLOUR)[1].tobytes()
FRAME = JPEG.index(b"\xff\xc0")
SCAN = JPEG.index(b"\xff\xda")


def with_size(width: int, height: int) -> bytes:
    return JPEG[: FRAME + 5] + struct.pack(">HH", height, width) + JPEG[FRAME + 9 :]


def test_the_header_tells_size_channels_and_orientation() -> None:
    header = read_jpeg(JPEG)
    assert (header.width, header.height, header.channels, header.orientation) == (64, 48, 3, 1)
    assert read_jpeg(cv2.imencode(".jpg", GREY)[1].tobytes()).channels == 1
    assert read_jpeg(by_pillow(COLOUR, "JPEG", "CMYK")).channels == 4
    progressive = cv2.imencode(".jpg", COLOUR, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert read_jpeg(progressive).width == 64


def test_filling_comments_and_what_follows_the_end_do_no_harm() -> None:
    comment = b"\xff\xff\xff\xfe\x00\x06\xff\xd9\xff\xc0"
    assert read_jpeg(JPEG[:2] + comment + JPEG[2:] + bytes(100_000)) == read_jpeg(JPEG)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (JPEG[:FRAME], "ends before its end marker: it was cut off"),
        (JPEG[: SCAN + 30], "ends before its end marker: it was cut off"),
        (JPEG[:-2], "ends before its end marker: it was cut off"),
        (JPEG[:2] + b"\xff\xd9", "ends before its pixels"),
        (JPEG[:2] + b"hello", "is damaged at byte 2"),
        (JPEG[:2] + b"\xff\x02" + JPEG[2:], "marker 0x02 does not belong there"),
        (JPEG[:FRAME] + JPEG[FRAME : FRAME + 19] + JPEG[FRAME:], "two frame headers"),
        (with_size(0, 48), "says that it has 0 x 48 pixels"),
        (with_size(64, 0), "which is no image"),
        (with_size(65_535, 65_535), "65535 x 65535 pixels, the limit is 134217728 in all"),
        (with_size(8_000, 8_000), "too few for 8000 x 8000"),
        (JPEG.replace(b"\xff\xc0", b"\xff\xc3"), "lossless, hierarchical or arithmetic"),
        (JPEG.replace(b"\xff\xc0", b"\xff\xc9"), "lossless, hierarchical or arithmetic"),
        (JPEG[: FRAME + 4] + b"\x0c" + JPEG[FRAME + 5 :], "12 bits a sample"),
        (JPEG[: FRAME + 9] + b"\x02" + JPEG[FRAME + 10 :], "2 channels"),
        (JPEG[:2] + b"\xff\xfe\x00\x02" * 10_001 + JPEG[2:], "more than 10000 segments"),
    ],
)
def test_what_cannot_be_is_refused_by_the_header(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_jpeg(encoded)


def test_scans_without_end_are_refused_before_they_are_decoded() -> None:
    end = SCAN + 2 + int.from_bytes(JPEG[SCAN + 2 : SCAN + 4], "big")
    with pytest.raises(ImageError, match="101 scans or more"):
        read_jpeg(JPEG[:SCAN] + JPEG[SCAN:end] * 200 + b"\xff\xd9")


def test_a_file_full_of_filling_is_read_in_one_pass() -> None:
    began = time.monotonic()
    with pytest.raises(ImageError):
        read_jpeg(JPEG[: SCAN + 20] + b"\xff" * 20_000_000 + b"\0" + b"\xff" * 20_000_000)
    assert time.monotonic() - began < 5  # quadratic would be hours
