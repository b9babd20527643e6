"""From a frame to what the model sees: the one function that training, calibration, evaluation and serving share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from linecore.decoding import decode
from linecore.inspection import FloatArray, Image

Resize = Literal["linear", "area"]

INTERPOLATION: dict[Resize, int] = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}

DEVIATION = 22.0
"""Of the grey levels of a frame in the middle between little and much contrast: it stays as it is."""

LEAST_DEVIATION = 2.0
"""Of the grey levels of a frame: what varies less is enlarged as if it varied so much. It is mostly noise."""


FINE = 4
"""Pixels of a frame for each of the square's, a side, that are enough for a mean finer than a level."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a frame becomes the square that a model sees. Scaling to -1..1 is inside the model's graph.

    With *even_contrast* e, a square's grey levels are spread about their mean by (22 / deviation) ** e. At 1 all
    squares have one deviation (per-image standardisation, but for the mean); at 0.5 a line that halves the contrast
    takes only 0.3 of it away, faint marks use more of an int8's levels, and good product still shows by how little it
    varies.
    """

    size: int  # pixels a side; a frame is squeezed into the square whatever its shape
    resize: Resize = "area"
    even_contrast: float = 0.0  # 0 leaves the contrast as it is, 1 makes it the same for every frame

    def __call__(self, image: Image) -> FloatArray:
        """Return *image* (uint8, HxW or HxWx3 BGR) as float32, size x size x 1, grey, whole numbers in 0..255."""
        grey: Image = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        side, interpolation = (self.size, self.size), INTERPOLATION[self.resize]
        if self.even_contrast and self.resize == "area":
            # A mean over pixels is finer than they are: it is rounded after its levels are spread, not before.
            fine = _shrunk(grey, FINE * self.size).astype(np.float32)
            square = np.asarray(cv2.resize(fine, side, interpolation=interpolation), np.float32)
        else:
            # In uint8 it is what a camera's or a PLC's own scaler does too, and faster.
            square = np.asarray(cv2.resize(grey, side, interpolation=interpolation), np.float32)
        if self.even_contrast:
            square = _spread(square, self.even_contrast)
        return square[..., np.newaxis]

    def squares(self, images: Iterable[Image]) -> Image:
        """Return *images* as uint8, images x size x size. Nothing is lost: they are whole numbers."""
        # One array that grows: a list of them, stacked, would need their memory twice.
        square = np.dtype((np.uint8, (self.size, self.size)))
        return np.fromiter((self(image)[..., 0].astype(np.uint8) for image in images), square)


def read_image(path: Path) -> Image:
    """Return the pixels of an image file, as the line would decode them; ImageError where it is none."""
    return decode(path.read_bytes())


def _shrunk(grey: Image, least: int) -> Image:
    """Make a large frame smaller by a whole factor, but keep *least* pixels a side: of those, floats cost little."""
    height, width = grey.shape
    factor = min(height, width) // least
    if factor < 2:
        return grey
    return np.asarray(cv2.resize(grey, (width // factor, height // factor), interpolation=cv2.INTER_AREA), np.uint8)


def _spread(square: FloatArray, evenness: float) -> FloatArray:
    mean, deviation = (float(moment.item()) for moment in cv2.meanStdDev(square))
    gain = (DEVIATION / max(deviation, LEAST_DEVIATION)) ** evenness
    levels = (square - np.float32(mean)) * np.float32(gain) + np.float32(mean)
    spread: FloatArray = np.clip(np.rint(levels), 0, 255).astype(np.float32, copy=False)
    return spread
