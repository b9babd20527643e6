import time

import pytest

from linecore.errors import ImageError
from linecore.headers.directory import directories, exif_orientation
from linecore.headers.tiff import read_tiff
from tests.linecore.encoded import DEEP_COLOUR, GREY, NOISE, tiff

TIFF = tiff(GREY, rows=10)


def test_the_first_directory_tells_where_the_pixels_are() -> None:
    layout = read_tiff(TIFF)
    assert (layout.width, layout.height, layout.bits, layout.samples) == (64, 48, 8, 1)
    assert layout.offsets.tolist() == [8, 648, 1288, 1928, 2568]
    assert layout.counts.tolist() == [640, 640, 640, 640, 512]
    deep = read_tiff(tiff(DEEP_COLOUR, order=">", tile=32))
    assert (deep.bits, deep.samples, deep.tiled, deep.chunk_height, len(deep.offsets)) == (16, 3, True, 32, 4)


@pytest.mark.parametrize("kind", [1, 4])
def test_smaller_copies_and_masks_are_no_pages(kind: int) -> None:
    assert read_tiff(tiff(GREY, pages=2, tags={254: kind})).width == 64


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (TIFF[:6], "beyond the end of the file: it was cut off"),
        (TIFF[:2000], "beyond the end of the file: it was cut off"),
        (b"II*\0" + bytes(4), "it has no directory"),
        (tiff(GREY, pages=3), "it has 3 pages, and a line takes one"),
        (tiff(None, following=72), "go round in a circle"),
        (tiff(None, pages=65), "more than 64 directories"),
        (tiff(None)[:72] + b"\xff\xff" + bytes(1_000_000), "65535 tags, the limit is 1000"),
        (tiff(None, tags={256: 0}), "0 x 8 pixels, which is no image"),
        (tiff(None, tags={257: 2**31}), "the limit is 65535 a side"),
        (tiff(None, tags={256: 30_000, 257: 30_000}), "134217728 in all"),
        (tiff(None, tags={259: 7}), "its compression is 7; a line takes none, deflate, LZW and PackBits"),
        (tiff(None, tags={258: 1}), "whole numbers of 1 bits"),
        (tiff(None, tags={258: None}), "whole numbers of 1 bits"),
        (tiff(None, tags={258: 32, 339: 3}), "signed or floating numbers of 32 bits"),
        (tiff(None, tags={258: [8, 16, 8]}), "of 8/16 bits"),
        (tiff(None, tags={339: 2}), "signed or floating numbers of 8 bits"),
        (tiff(None, tags={262: 6}), "1 samples a pixel of colour type 6"),
        (tiff(None, tags={262: 2}), "1 samples a pixel of colour type 2"),
        (tiff(None, tags={277: 60_000}), "60000 samples a pixel"),
        (tiff(None, tags={273: None}), "does not say where its 1 tiles or strips are"),
        (tiff(None, tags={278: 2}), "does not say where its 4 tiles or strips are"),
        (tiff(None, tags={278: 0}), "strips of 8 x 0 pixels"),
        (tiff(None, tags={273: 2**32 - 1}), "beyond the end of the file: it was cut off"),
        (tiff(None, tags={279: 2**32 - 1}), "beyond the end of the file: it was cut off"),
        (tiff(None, tags={279: 60}), "60 bytes of pixels, too few for 8 x 8"),
        (tiff(None, tile=16, tags={322: 60_000, 323: 60_000}), "tiles or strips of 60000 x 60000 pixels"),
        (tiff(None, tags={256: 10_000, 257: 1, 322: 1, 323: 100_000_000}), "10000 tiles or strips of 1 x 100000000"),
        (tiff(None, tags={256: 1_000, 257: 1_000, 322: 1, 323: 1}), "1000000 tiles or strips, the limit is 100000"),
        (tiff(None, packed=True, tags={256: 5_000, 257: 5_000, 278: 5_000}), "too few for 5000 x 5000"),
    ],
)
def test_what_cannot_be_is_refused_by_the_header(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=f"the TIFF cannot be taken: .*{reason}"):
        read_tiff(encoded)


def test_absurd_tags_cost_nothing() -> None:
    began = time.monotonic()
    content = tiff(NOISE, tags={60_000 + number: list(range(1000)) for number in range(900)})
    assert read_tiff(content).width == 64
    assert time.monotonic() - began < 2


def test_a_value_beyond_the_end_is_refused_and_one_of_another_type_is_none() -> None:
    (page,) = directories(tiff(None, tags={305: [1, 2]})[:-8])
    with pytest.raises(ImageError, match="tag 305 has 2 values at byte"):
        page.numbers(305)
    assert page.numbers(999) is None


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"hello world", tiff(None, tags={274: 9})])
def test_damaged_exif_data_turn_nothing(exif: bytes) -> None:
    assert exif_orientation(exif) == 1


def test_exif_data_tell_the_orientation() -> None:
    assert exif_orientation(tiff(None, order=">", tags={274: 8})) == 8
