"""From the embeddings of known frames to what serving needs to tell novel ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray
from linecore_models.novelty import LEVELS, Distances, Novelty, of_length_one

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SHRINKAGE = 0.15
"""How much of a covariance is replaced by an even one: directions in which nothing varied are not infinite then, and
small deviations along them, which steel under a new light has too, do not outweigh all else."""


def fit_novelty(taught: FloatArray, truth: Indices, known: FloatArray) -> Novelty:
    """Learn what is known from embeddings (float32, frames x features).

    *taught* are those of the teaching frames, as they are and under line conditions, else every noisy frame is novel;
    *truth* (indices of labels) is theirs. *known* set the quantiles: frames that taught neither the network nor these
    statistics, under line conditions too. Frames that taught may lie nearer than frames to come will.
    """
    features = of_length_one(taught.astype(np.float64))
    labels, of_frame = np.unique(truth, return_inverse=True)
    means = np.stack([features[truth == label].mean(axis=0) for label in labels])
    axes = whitening(features - means[of_frame])
    # One factor for all axes scales every distance alike, which the quantiles do not see; float16 cannot overflow.
    stored = (axes / np.abs(axes).max()).astype(np.float16).astype(np.float32)
    unmeasured = Novelty(stored, (means @ stored).astype(np.float32), np.zeros(len(LEVELS)))
    return with_quantiles(unmeasured, unmeasured.distances(known))


def with_quantiles(novelty: Novelty, distances: Distances) -> Novelty:
    """Return the same measure, whose quantiles are those of the *distances* of known frames."""
    return Novelty(novelty.axes, novelty.centres, np.quantile(distances, LEVELS))


def whitening(deviations: Floats) -> Floats:
    """Return the axes (features x features) on which *deviations* (frames x features, mean 0) vary by 1.

    Their covariance is shrunk first, towards the same variance in all directions.
    """
    variances, directions = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    even = max(float(variances.mean()), float(np.finfo(np.float32).tiny))
    axes: Floats = directions / np.sqrt((1 - SHRINKAGE) * np.maximum(variances, 0) + SHRINKAGE * even)
    return axes
