"""The pixels of a TIFF, read here and not by libtiff: OpenCV's way through it says nothing of damaged data."""

from __future__ import annotations

import zlib

import numpy as np

from linecore.errors import ImageError
from linecore.headers.directory import Numbers
from linecore.headers.tiff import (
    CMYK,
    DEFLATE,
    NONE,
    OLD_DEFLATE,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    TiffLayout,
)
from linecore.inspection import Image, read_only


def is_plain(layout: TiffLayout) -> bool:
    """Say whether :func:`read_pixels` takes it: not packed, or by deflate."""
    return layout.compression in (NONE, DEFLATE, OLD_DEFLATE)


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
    number = 0
    for plane in range(planes):
        for top in range(0, layout.height, layout.chunk_height):
            for left in range(0, layout.width, layout.chunk_width):
                chunk = _chunk(encoded, layout, number, depth, layout.height - top)
                part = pixels[top : top + layout.chunk_height, left : left + layout.chunk_width]
                part[..., plane : plane + depth] = chunk[: part.shape[0], : part.shape[1]]
                number += 1
    return _colours(pixels, layout)


def _chunk(encoded: bytes, layout: TiffLayout, number: int, depth: int, rows_left: int) -> Image:
    """Return one tile or strip; the last strip may be shorter."""
    row = layout.chunk_width * depth * layout.bits // 8
    rows = layout.chunk_height if layout.tiled else min(layout.chunk_height, rows_left)
    start = int(layout.offsets[number])
    stored = memoryview(encoded)[start : start + int(layout.counts[number])]
    content: bytes | memoryview = stored if layout.compression == NONE else _inflate(stored, row * layout.chunk_height)
    if len(content) < row * rows:
        raise ImageError(f"the TIFF is damaged: a part of it has {len(content)} of {row * rows} bytes")
    dtype = np.dtype(f"{layout.order}u{layout.bits // 8}")
    flat: Numbers = np.frombuffer(content, dtype, row * rows // dtype.itemsize)
    chunk = flat.reshape(rows, layout.chunk_width, depth)
    if layout.predictor == 2:
        chunk = np.cumsum(chunk, axis=1, dtype=dtype.newbyteorder("="))
    return read_only(chunk >> (layout.bits - 8))


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
