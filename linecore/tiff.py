"""The pixels of a TIFF, put together here and not by libtiff: OpenCV's way through it says nothing of damaged data."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from linecore.errors import ImageError
from linecore.headers.directory import Numbers
from linecore.headers.tiff import CMYK, LZW, NONE, PACKBITS, PALETTE, RGB, WHITE_IS_ZERO, TiffLayout
from linecore.inspection import Image, read_only
from linecore.lzw import unpack


def read_pixels(encoded: bytes, layout: TiffLayout) -> Image:
    """Return the pixels as they are stored: uint8, HxW grey or HxWx3 BGR; of 16 bits the upper 8.

    Raises:
        ImageError: a tile or strip is too short, or its checksum is wrong.
    """
    if layout.predictor not in (1, 2):
        raise ImageError(f"the TIFF has predictor {layout.predictor}, which is not for whole numbers")
    planes = layout.samples if layout.separate else 1
    depth = layout.samples // planes
    pixels = np.empty((layout.height, layout.width, layout.samples), np.uint8)
    for plane in range(planes):
        contents = _contents(encoded, layout, plane, planes, layout.chunk_width * depth * layout.bits // 8)
        for top in range(0, layout.height, layout.chunk_height):
            for left in range(0, layout.width, layout.chunk_width):
                chunk = _samples(next(contents), layout, depth)
                part = pixels[top : top + layout.chunk_height, left : left + layout.chunk_width]
                part[..., plane : plane + depth] = chunk[: part.shape[0], : part.shape[1]]
    return _colours(pixels, layout)


def _contents(encoded: bytes, layout: TiffLayout, plane: int, planes: int, row: int) -> Iterator[memoryview]:
    """Yield the unpacked bytes of each tile or strip of a plane; the last strip may have fewer rows."""
    number = len(layout.offsets) // planes
    offsets = layout.offsets[plane * number : (plane + 1) * number].tolist()
    counts = layout.counts[plane * number : (plane + 1) * number].tolist()
    stored = memoryview(encoded)
    parts = [stored[offset : offset + count] for offset, count in zip(offsets, counts, strict=True)]
    rows = layout.chunk_height
    last = rows if layout.tiled else (layout.height - 1) % rows + 1
    if layout.compression in (LZW, PACKBITS):
        unpacked = unpack(parts, layout.compression, row=row, rows=rows, last=last).reshape(-1).data
        yield from (unpacked[start : start + row * rows] for start in range(0, len(unpacked), row * rows))
        return
    for at, part in enumerate(parts, 1):
        needed = row * (last if at == number else rows)
        content = part if layout.compression == NONE else memoryview(_inflate(part, row * rows))
        if len(content) < needed:
            raise ImageError(f"the TIFF is damaged: a part of it has {len(content)} of {needed} bytes")
        yield content[:needed]


def _inflate(stored: memoryview, most: int) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(stored, most)
        if not unpacking.eof:  # what is left is the checksum, or more than there may be
            unpacking.decompress(unpacking.unconsumed_tail, 1)
    except zlib.error as error:
        raise ImageError(f"the TIFF is damaged: {error}") from None
    if not unpacking.eof:
        raise ImageError("the TIFF is damaged: a part of it does not end where it should")
    return content


def _samples(content: memoryview, layout: TiffLayout, depth: int) -> Image:
    """Return the samples of one tile or strip, uint8 of rows x columns x *depth*."""
    dtype = np.dtype(f"{layout.order}u{layout.bits // 8}")
    flat: Numbers = np.frombuffer(content, dtype)
    chunk = flat.reshape(-1, layout.chunk_width, depth)
    if layout.predictor == 2:
        chunk = np.cumsum(chunk, axis=1, dtype=dtype.newbyteorder("="))
    return read_only(chunk >> (layout.bits - 8))


def _colours(pixels: Image, layout: TiffLayout) -> Image:
    """Return grey or BGR, without transparency."""
    if layout.photometric == RGB:
        return np.ascontiguousarray(pixels[..., 2::-1])
    if layout.photometric == CMYK:
        inks, black = pixels[..., 2::-1].astype(np.uint16), pixels[..., 3:4].astype(np.uint16)
        return ((255 - inks) * (255 - black) // 255).astype(np.uint8)
    grey = np.ascontiguousarray(pixels[..., 0])
    if layout.photometric == WHITE_IS_ZERO:
        return 255 - grey
    return _paint(grey, layout) if layout.photometric == PALETTE else grey


def _paint(grey: Image, layout: TiffLayout) -> Image:
    if layout.colours is None or layout.bits != 8 or len(layout.colours) != 768:
        raise ImageError("the TIFF has a palette that does not have 256 colours")
    colours = read_only(layout.colours >> 8).reshape(3, 256)
    painted: Image = colours[0][grey] if (colours == colours[0]).all() else colours[::-1].T[grey]
    return painted
