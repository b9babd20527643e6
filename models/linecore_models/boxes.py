"""Where defects lie: boxes and windows in the pixels of an image file, and the masks that boxes make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import Image

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Box:
    """A defect of one label: pixels of the image file, half open (x1 and y1 are outside), x0 < x1 and y0 < y1."""

    x0: float
    y0: float
    x1: float
    y1: float
    label: str


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image file in whole pixels, half open like a box."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """In pixels."""
        return self.y1 - self.y0


def label_mask(boxes: Iterable[Box], label: str | None, height: int, width: int) -> Mask:
    """Return which pixels lie in a box of *label* (None: of any label): bool, height x width.

    A pixel counts as soon as a box touches it; what lies beyond the image is cut off.
    """
    mask = np.zeros((height, width), np.bool_)
    for box in boxes:
        if label is None or box.label == label:
            rows = slice(max(0, int(np.floor(box.y0))), max(0, int(np.ceil(box.y1))))
            columns = slice(max(0, int(np.floor(box.x0))), max(0, int(np.ceil(box.x1))))
            mask[rows, columns] = True
    return mask


def mirror_out(pixels: Image, window: Window) -> Image:
    """Return uint8 HxW pixels of which only the window is left: all around it is its own mirror image.

    The window stays where it is, at its scale, and there is no seam that a model could learn (BORDER_REFLECT_101).

    Raises:
        ValueError: the window is empty or reaches beyond the image.
    """
    height, width = pixels.shape
    if not (0 <= window.x0 < window.x1 <= width and 0 <= window.y0 < window.y1 <= height):
        raise ValueError(f"the window reaches beyond the image, which has {width}x{height} pixels")
    inside = pixels[window.y0 : window.y1, window.x0 : window.x1]
    around = (window.y0, height - window.y1, window.x0, width - window.x1)
    return np.asarray(cv2.copyMakeBorder(inside, *around, cv2.BORDER_REFLECT_101), np.uint8)
