"""TIFF: reads the first directory, and counts the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from linecore.errors import ImageError
from linecore.headers.directory import ORIENTATION, Directory, Numbers, directories
from linecore.headers.header import MAX_PIXELS, Header, check_room, check_size

_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR, _PREDICTOR, _COLOURS = 273, 277, 278, 279, 284, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _FORMAT = 322, 323, 324, 325, 339

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32_946, 32_773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5

_UNPACKED: Mapping[int, int] = {NONE: 1, LZW: 2_731, DEFLATE: 1_032, OLD_DEFLATE: 1_032, PACKBITS: 64}
"""Bytes that one stored byte can become, for each compression that a line takes."""

COLOURS: Mapping[int, int] = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4}
"""Samples of a pixel that are its colour; what comes after them is transparency."""

_WHOLE, _UNDEFINED = 1, 4  # formats of samples
_MAX_CHUNKS = 100_000
_SMALLER, _MASK = 1, 4  # kinds of pages that are no frames of their own


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """Where the pixels of a TIFF lie, and how."""

    width: int
    height: int
    orientation: int
    bits: int  # of a sample: 8 or 16
    samples: int  # of a pixel
    photometric: int
    compression: int
    predictor: int
    separate: bool  # one plane after the other
    order: str  # "<" or ">"
    chunk_width: int  # of a tile; of a strip, the image's
    chunk_height: int
    tiled: bool
    offsets: Numbers  # of the chunks, in bytes, row by row, and plane by plane
    counts: Numbers  # their bytes
    colours: Numbers | None  # of a palette: all reds, all greens, all blues, of 16 bits


def read_tiff(encoded: bytes) -> TiffLayout:
    """Read where the pixels are.

    Raises:
        ImageError: it was cut off, is too large, has several pages, or stores pixels in a way that a line does not
            take. A BigTIFF, whose files begin otherwise, does not come here.
    """
    try:
        pages = list(directories(encoded))
        if not pages:
            raise ImageError("it has no directory")
        others = [page for page in pages[1:] if not (page.number(_KIND, 0) or 0) & (_SMALLER | _MASK)]
        if others:
            raise ImageError(f"it has {1 + len(others)} pages, and a line takes one")
        return _layout(pages[0], len(encoded))
    except ImageError as error:
        raise ImageError(f"the TIFF cannot be taken: {error}") from None


def _layout(page: Directory, size: int) -> TiffLayout:
    def number(tag: int, default: int) -> int:
        found = page.number(tag, default)
        assert found is not None
        return found

    width, height = number(_WIDTH, 0), number(_HEIGHT, 0)
    check_size("image", width, height)
    samples, compression = number(_SAMPLES, 1), number(_COMPRESSION, NONE)
    photometric, orientation = number(_PHOTOMETRIC, -1), number(ORIENTATION, 1)
    bits, formats = _distinct(page, _BITS), _distinct(page, _FORMAT)
    if compression not in _UNPACKED:
        raise ImageError(f"its compression is {compression}; a line takes none, deflate, LZW and PackBits")
    if bits not in ({8}, {16}) or formats - {_WHOLE, _UNDEFINED}:
        shown = "/".join(map(str, sorted(bits)))
        kind = "signed or floating" if formats - {_WHOLE, _UNDEFINED} else "whole"
        raise ImageError(f"its samples are {kind} numbers of {shown} bits; a line takes whole ones of 8 or 16")
    if photometric not in COLOURS or not COLOURS[photometric] <= samples <= 5:
        raise ImageError(f"it has {samples} samples a pixel of colour type {photometric}, which a line does not take")
    tiled = _TILE_WIDTH in page.entries
    chunk_width = number(_TILE_WIDTH, 0) if tiled else width
    chunk_height = number(_TILE_HEIGHT, 0) if tiled else min(number(_ROWS, height), height)
    if not chunk_width or not chunk_height:
        raise ImageError(f"it has tiles or strips of {chunk_width} x {chunk_height} pixels")
    offsets = page.numbers(_TILES if tiled else _STRIPS)
    counts = page.numbers(_TILE_BYTES if tiled else _STRIP_BYTES)
    separate = samples > 1 and number(_PLANAR, 1) == 2
    chunks = -(-width // chunk_width) * -(-height // chunk_height)
    if chunks * chunk_width * chunk_height > MAX_PIXELS:  # the pixels beyond its edges are unpacked too
        raise ImageError(f"it has {chunks} tiles or strips of {chunk_width} x {chunk_height} pixels")
    chunks *= samples if separate else 1
    if chunks > _MAX_CHUNKS:
        raise ImageError(f"it has {chunks} tiles or strips, the limit is {_MAX_CHUNKS}")
    if offsets is None or counts is None or len(offsets) != chunks or len(counts) != chunks:
        raise ImageError(f"it does not say where its {chunks} tiles or strips are")
    if (offsets.astype("u8") + counts.astype("u8") > size).any():
        raise ImageError("its pixels lie beyond the end of the file: it was cut off")
    needed = width * height * samples * max(bits) // 8
    stored = int(counts.sum(dtype="u8"))
    check_room("image", Header(width, height), stored, needed, _UNPACKED[compression])
    return TiffLayout(
        width,
        height,
        orientation if 1 <= orientation <= 8 else 1,
        max(bits),
        samples,
        photometric,
        compression,
        number(_PREDICTOR, 1) if compression in (LZW, DEFLATE, OLD_DEFLATE) else 1,
        separate,
        page.order,
        chunk_width,
        chunk_height,
        tiled,
        offsets,
        counts,
        page.numbers(_COLOURS),
    )


def _distinct(page: Directory, tag: int) -> set[int]:
    """Return the values that the samples have of *tag*; without it, 1 (bit, or whole numbers)."""
    found = page.numbers(tag)
    return {1} if found is None else set(np.unique(found).tolist())
