"""Moves the border between good product and defects towards good product: an escape is dearer than overkill.

A network answers where the two are equally likely, as often as it saw each. A logit that is moved by a number leaves
its class map, and so the heat maps, as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image
from linecore_models.answers import keras_outputs
from linecore_models.architecture import class_bias

Indices = npt.NDArray[np.int64]

ESCAPE = 10.0
"""What the share of defects that escape counts beside the share of good frames that are rejected: as on a line where
one frame in ten has a defect, and an escape costs as much as a hundred good frames."""

SHIFTS = tuple(0.25 * step for step in range(13))
"""Of a logit; to choose from."""


def make_cautious(model: keras.Model, squares: Image, truth: Indices, passes: Sequence[bool]) -> float:
    """Lower the bias of the labels that *passes*, in place; return by how much.

    *squares* (uint8, N x size x size) did not teach, as they are and under line conditions; *truth* are the indices of
    their labels.
    """
    logits = keras_outputs(model, "class_maps", squares).mean(axis=(1, 2)) + np.array(class_bias(model), np.float32)
    shift = cheapest_shift(logits, truth, passes)
    bias = model.get_layer("logits").bias
    bias.assign(bias - np.where(passes, shift, 0).astype(np.float32))
    return shift


def cheapest_shift(logits: FloatArray, truth: Indices, passes: Sequence[bool]) -> float:
    """Return by how much the logits (N x labels) of good product are best lowered; the least of several.

    0.0 where there are no good frames among these, or none with a defect.
    """
    good = np.array(passes)
    if good[truth].all() or not good[truth].any():
        return 0.0
    margins = logits[:, good].max(axis=1) - logits[:, ~good].max(axis=1)

    def cost(shift: float) -> float:
        passed = margins > shift
        return ESCAPE * float(passed[~good[truth]].mean()) + float((~passed[good[truth]]).mean())

    return min(SHIFTS, key=cost)
