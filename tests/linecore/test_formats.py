import cv2
import pytest

from linecore.formats import IMAGE_SUFFIXES, SUFFIXES, ImageFormat, format_of
from linecore.testing import grey


@pytest.mark.parametrize("found", list(ImageFormat))
def test_a_file_is_told_by_its_content(found: ImageFormat) -> None:
    for suffix in SUFFIXES[found]:
        assert format_of(cv2.imencode(suffix, grey())[1].tobytes()) is found
        assert suffix in IMAGE_SUFFIXES


def test_anything_else_is_no_image() -> None:
    assert all(format_of(content) is None for content in (b"", b"GIF89a", b"\x93NUMPY", b"%PDF-"))
