"""Parts of pictures, mirrored out to the size of the whole: good steel, and defects in the same way.

Mined good steel is symmetrical about the borders of its window. If no defect ever were, a model could learn that
symmetry means PASS.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from linecore.inspection import Image
from linecore_models.boxes import Box, Window

IN_BOX = 0.6
"""Of a box's side that a window holds at least: more than half, so that the middle of the box is in every window."""


def part_of(window: Window, least: int, rng: np.random.Generator) -> Window:
    """Draw a part of *window*, its sides at least *least* pixels as far as it has them; every other time all of it."""
    if rng.random() < 0.5:
        return window
    x0, x1 = _inside(window.x0, window.x1, least, rng)
    y0, y1 = _inside(window.y0, window.y1, least, rng)
    return Window(x0, y0, x1, y1)


def window_around(box: Box, least: int, height: int, width: int, rng: np.random.Generator) -> Window:
    """Draw a window of a picture that holds *box*, or, where it is smaller than the box, lies inside it.

    Its sides have at least *least* pixels and IN_BOX of the box, and at most the picture.
    """
    x0, x1 = _around(box.x0, box.x1, least, width, rng)
    y0, y1 = _around(box.y0, box.y1, least, height, rng)
    return Window(x0, y0, x1, y1)


def _inside(low: int, high: int, least: int, rng: np.random.Generator) -> tuple[int, int]:
    length = int(rng.integers(min(least, high - low), high - low, endpoint=True))
    start = int(rng.integers(low, high - length, endpoint=True))
    return start, start + length


def _around(low: float, high: float, least: int, whole: int, rng: np.random.Generator) -> tuple[int, int]:
    first, last = max(0, int(np.floor(low))), min(whole, int(np.ceil(high)))
    shortest = min(whole, max(least, int(IN_BOX * (last - first))))
    length = int(rng.integers(shortest, whole, endpoint=True))
    # Either the window holds the box, or the box holds the window.
    ends = sorted((first, last - length))
    start = int(rng.integers(max(0, ends[0]), min(whole - length, max(0, ends[1])), endpoint=True))
    return start, start + length


def mirrored_out(image: Image, window: Window, rng: np.random.Generator) -> Callable[[Image], Image]:
    """Return what puts the inside of *window* somewhere, with its own mirror image around it: as large as *image*.

    It does the same to the image and to its masks.
    """
    height, width = image.shape
    top = int(rng.integers(height - window.height, endpoint=True))
    left = int(rng.integers(width - window.width, endpoint=True))
    around = (top, height - window.height - top, left, width - window.width - left)

    def put(picture: Image) -> Image:
        inside = picture[window.y0 : window.y1, window.x0 : window.x1]
        return np.asarray(cv2.copyMakeBorder(inside, *around, cv2.BORDER_REFLECT_101), np.uint8)

    return put
