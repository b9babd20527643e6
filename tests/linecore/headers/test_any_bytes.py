"""Whatever the bytes are, a reader tells a header or raises an ImageError of one line."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecore.decoding import decode
from linecore.errors import ImageError
from linecore.headers.bmp import read_bmp
from linecore.headers.jpeg import read_jpeg
from linecore.headers.png import read_png
from linecore.headers.tiff import read_tiff
from tests.linecore.encoded import NOISE, tiff

RIGHT: dict[Callable[[bytes], object], bytes] = {
    read_jpeg: cv2.imencode(".jpg", NOISE)[1].tobytes(),
    read_png: cv2.imencode(".png", NOISE)[1].tobytes(),
    read_bmp: cv2.imencode(".bmp", NOISE)[1].tobytes(),
    read_tiff: tiff(NOISE, rows=10),
}


@pytest.mark.parametrize("read", RIGHT, ids=lambda read: read.__name__)
@given(data=st.data())
def test_a_reader_tells_a_header_or_why_there_is_none(read: Callable[[bytes], object], data: st.DataObject) -> None:
    right = RIGHT[read]
    begin = data.draw(st.integers(0, len(right)), label="begin")
    middle = data.draw(st.binary(max_size=64), label="middle")
    end = data.draw(st.integers(0, len(right)), label="end")
    changed = right[:begin] + middle + right[end:]
    for take in (read, decode):
        try:
            take(changed)
        except ImageError as error:
            assert str(error).isprintable()
