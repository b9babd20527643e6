"""What a training image may look like today: shifted, turned, mirrored, brighter or darker, within what a line sees."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from linecore.inspection import Image


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a training image may be changed; every change is drawn evenly between its bounds."""

    flip: bool = True  # left to right and top to bottom, each for half of the images
    shift: float = 0.08  # of the side, each way
    rotation: float = 10.0  # degrees, each way
    brightness: float = 25.0  # grey levels, each way
    contrast: float = 0.2  # about the image's mean, each way

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a changed copy of *image* (uint8, HxW); what moves in from outside mirrors the inside."""
        height, width = image.shape
        if self.flip:
            image = image[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
        to_side, to_height = rng.uniform(-self.shift, self.shift, 2)
        angle = rng.uniform(-self.rotation, self.rotation)
        move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
        move[:, 2] += to_side * width, to_height * height
        moved = cv2.warpAffine(
            np.ascontiguousarray(image),
            move,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        contrast = rng.uniform(1 - self.contrast, 1 + self.contrast)
        brightness = rng.uniform(-self.brightness, self.brightness)
        # (moved - mean) * contrast + mean + brightness, saturated to 0..255.
        mean = float(moved.mean())
        return np.asarray(cv2.addWeighted(moved, contrast, moved, 0.0, mean * (1 - contrast) + brightness), np.uint8)


NO_AUGMENTATION = Augmentation(flip=False, shift=0, rotation=0, brightness=0, contrast=0)
