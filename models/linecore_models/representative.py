"""Frames that stand for all that a model will see, where its files are made and measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linecore.inspection import Image
from linecore_models.augmentation import AS_IT_LIES
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.manifest import Manifest
from linecore_models.preprocessing import Preprocessing
from linecore_models.stress import CONDITIONS, stressed_squares

FRAMES = 200
"""Training frames that set the ranges of the int8 numbers; more move them little, and each costs a slow run."""

MEASURED = {
    ("Gaussian noise", "sigma 10"),
    ("defocus", "sigma 2 px"),
    ("brightness", "-40 levels"),
    ("contrast", "x 0.6"),
}
"""Conditions under which a file is compared with the Keras model too: rounding hurts most where contrast is low."""


SETTLING = 3000
"""Training frames, at most, that show a rounded network what it used to say; with 600 of them it forgot more."""


def representative_frames(
    teaching: Sequence[LabelledImage], preprocessing: Preprocessing, seed: int, frames: int = FRAMES
) -> Image:
    """Return training frames, drawn: uint8, N x size x size, of which there are *frames* at most.

    Every second is seen under line conditions, which reach further than the pictures as they are.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(teaching))[:frames].tolist()

    def seen(number: int, index: int) -> Image:
        picture = load_image(teaching[index])
        return AS_IT_LIES(picture, {}, rng)[0] if number % 2 else picture

    return preprocessing.squares(seen(number, index) for number, index in enumerate(drawn))


def frames_under_conditions(images: Sequence[LabelledImage], manifest: Manifest, seed: int) -> dict[str, Image]:
    """Return held-out images as the model sees them under a few line conditions, by the condition's name."""
    return {
        f"{condition.name}, {condition.severity}": stressed_squares(images, condition, manifest, seed)
        for condition in CONDITIONS
        if (condition.name, condition.severity) in MEASURED
    }
