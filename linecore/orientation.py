"""Turns an image upright."""

from __future__ import annotations

import numpy as np

from linecore.inspection import Image


def upright(image: Image, orientation: int) -> Image:
    """Return *image*, HxW or HxWx3, turned as EXIF and TIFF number it: 1 is upright, 6 was taken turned to the left."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
