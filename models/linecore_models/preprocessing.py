"""From a frame to what the model sees: the one function that training, calibration, evaluation and serving share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from linecore.decoding import decode
from linecore.inspection import FloatArray, Image
from linecore_models.manifest import Resize

INTERPOLATION: dict[Resize, int] = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}


def preprocess(image: Image, size: int, resize: Resize) -> FloatArray:
    """Return *image* (uint8, HxW or HxWx3 BGR) as the model sees it: float32 size x size x 1, grey, in 0..255.

    The frame is squeezed into the square whatever its shape. Scaling to -1..1 is inside the model's graph.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    # Resizing in uint8 is what a camera's or a PLC's own scaler does too, and twice as fast as in float32.
    square = cv2.resize(grey, (size, size), interpolation=INTERPOLATION[resize])
    return square.astype(np.float32)[..., np.newaxis]


def squares_of(images: Iterable[Image], size: int, resize: Resize) -> Image:
    """Return *images*, one at least, as the model sees them: uint8, images x size x size, grey.

    Nothing is lost against :func:`preprocess`, which resizes in uint8 and returns whole numbers.
    """
    return np.stack([preprocess(image, size, resize)[..., 0] for image in images]).astype(np.uint8)


def read_image(path: Path) -> Image:
    """Return the pixels of an image file, as the line would decode them; ImageError where it is none."""
    return decode(path.read_bytes())
