import struct

import cv2
import pytest

from linecore.errors import ImageError
from linecore.headers.png import read_png
from tests.linecore.encoded import COLOUR, GREY, chunk, png

PNG = cv2.imencode(".png", COLOUR)[1].tobytes()


def test_the_header_tells_size_channels_and_orientation() -> None:
    header = read_png(PNG)
    assert (header.width, header.height, header.channels, header.orientation) == (64, 48, 3, 1)
    assert read_png(cv2.imencode(".png", GREY)[1].tobytes() + bytes(10_000)).channels == 1
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)
    assert read_png(png(4, 4, more=chunk(b"eXIf", exif))).orientation == 6


def test_one_frame_of_an_animation_is_an_image() -> None:
    assert read_png(png(4, 4, more=chunk(b"acTL", struct.pack(">II", 1, 0)))).width == 4


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (PNG[:20], "ends before its IEND"),
        (PNG[: len(PNG) // 2], "ends before its IEND"),
        (PNG[:-12], "ends before its IEND"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), "does not begin with its header"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(12)), "does not begin with its header"),
        (png(0, 4), "0 x 4 pixels, which is no image"),
        (png(4, 0), "which is no image"),
        (png(2**31, 1, packed=b""), "the limit is 65535 a side"),
        (png(30_000, 30_000, packed=bytes(1_000_000)), "30000 x 30000 pixels, the limit is 134217728 in all"),
        (png(10_000, 10_000, packed=bytes(90_000)), "90000 bytes of pixels, too few for 10000 x 10000"),
        (png(4, 4, depth=3), "3 bits a sample of colour type 0"),
        (png(4, 4, colour=7), "of colour type 7"),
        (png(4, 4, more=chunk(b"acTL", struct.pack(">II", 5, 0))), "animated: it has 5 frames, and a line takes one"),
        (png(4, 4, more=chunk(b"tEXt", b"") * 40_000), "more than 32768 chunks"),
    ],
)
def test_what_cannot_be_is_refused_by_the_header(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_png(encoded)
