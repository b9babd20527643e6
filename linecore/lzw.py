"""LZW and PackBits, as TIFF files have them, unpacked by Pillow: unlike OpenCV it says when data end too early."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from linecore.errors import ImageError
from linecore.inspection import Image, read_only

_BEGIN = 8  # bytes of a TIFF before the first part


def unpack(parts: Sequence[memoryview], compression: int, *, row: int, rows: int, last: int) -> Image:
    """Return the bytes of all *parts* below each other, uint8 of *row* columns.

    Each part has *rows* rows, the last one *last*. They are written into a grey TIFF with nothing else in it, so that
    no tag of a file from outside reaches another decoder.

    Raises:
        ImageError: a part does not hold what it should.
    """
    height = rows * (len(parts) - 1) + last
    sizes = [len(part) for part in parts]
    starts = list(accumulate(sizes[:-1], initial=_BEGIN))
    tags = ((256, [row]), (257, [height]), (258, [8]), (259, [compression]), (262, [1]), (273, starts), (277, [1]))
    content = io.BytesIO()
    content.write(b"II*\0" + struct.pack("<I", _BEGIN + sum(sizes)))
    content.writelines(parts)
    content.write(_directory((*tags, (278, [rows]), (279, sizes)), content.tell()))
    content.seek(0)
    try:
        with TiffImageFile(content) as picture:
            picture.load()
            unpacked = read_only(np.asarray(picture))
    except (OSError, ValueError) as error:
        raise ImageError(f"the TIFF is damaged: its packed data cannot be read ({error})") from None
    if unpacked.shape != (height, row):
        raise ImageError("the TIFF is damaged: its packed data are not as long as they should be")
    return unpacked


def _directory(tags: Sequence[tuple[int, list[int]]], at: int) -> bytes:
    entries, behind = b"", b""
    size = 2 + 12 * len(tags) + 4
    for tag, values in tags:
        content = struct.pack(f"<{len(values)}I", *values)
        if len(values) == 1:
            entries += struct.pack("<HHI", tag, 4, 1) + content
        else:
            entries += struct.pack("<HHII", tag, 4, len(values), at + size + len(behind))
            behind += content
    return struct.pack("<H", len(tags)) + entries + bytes(4) + behind
