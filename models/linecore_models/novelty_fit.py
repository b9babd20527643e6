"""From the embeddings of known frames to what serving needs to tell novel ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linecore_models.novelty import LEVELS, Centres, Looks, Novelty, Spectrum, of_length_one

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SHRINKAGE = 0.15
"""How much of a covariance is replaced by an even one: directions in which nothing varied are not infinite then, and
small deviations along them, which steel under a new light has too, do not outweigh all else."""

OF_BANDS = 0.02
"""The same for the bands of a spectrum: they are few, and what noise has and steel has not lies along small ones."""

BORDER = 0.999
"""Quantile of the known frames within which a spectrum says nothing: it tells noise from steel, and surfaces worse."""


def fit_novelty(taught: Looks, truth: Indices, known: Looks) -> Novelty:
    """Learn what is known.

    *taught* are the teaching frames, as they are and under line conditions, else every noisy frame is novel; *truth*
    (indices of labels) is theirs. *known* set the quantiles: frames that taught neither the network nor these
    statistics, under line conditions too. Frames that taught may lie nearer than frames to come will.
    """
    axes, means = _alike(of_length_one(taught.embedding.astype(np.float64)), truth, SHRINKAGE)
    # One factor for all axes scales every distance alike, which the quantiles do not see; float16 cannot overflow.
    stored = (axes / np.abs(axes).max()).astype(np.float16).astype(np.float32)
    embedding = Centres(stored, (means @ stored).astype(np.float32))
    border = float(np.quantile(embedding.distances(of_length_one(known.embedding)), BORDER))
    unmeasured = Novelty(embedding, np.zeros(len(LEVELS)), _spectrum(taught, truth, known, border))
    return replace(unmeasured, knots=np.quantile(unmeasured.distances(known), LEVELS))


def _spectrum(taught: Looks, truth: Indices, known: Looks, border: float) -> Spectrum | None:
    """Learn what spectra are known, in a unit of distance in which *border* is theirs too; None where all are alike."""
    axes, means = _alike(taught.bands.astype(np.float64), truth, OF_BANDS)
    reached = float(np.quantile(Centres(axes, means @ axes).distances(known.bands), BORDER))
    if not reached:
        return None
    unit = border / reached
    return Spectrum(Centres((axes * unit).astype(np.float32), (means @ axes * unit).astype(np.float32)), border)


def _alike(features: npt.NDArray[np.floating], truth: Indices, shrinkage: float) -> tuple[Floats, Floats]:
    """Return the axes (features x r) on which frames of one label vary alike, and the means of the labels."""
    labels, of_frame = np.unique(truth, return_inverse=True)
    means = np.stack([features[truth == label].mean(axis=0) for label in labels])
    return whitening(features - means[of_frame], shrinkage), means


def whitening(deviations: Floats, shrinkage: float) -> Floats:
    """Return the axes (features x features) on which *deviations* (frames x features, mean 0) vary by 1.

    Their covariance is shrunk first, by the share *shrinkage*, towards the same variance in all directions.
    """
    variances, directions = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    even = max(float(variances.mean()), float(np.finfo(np.float32).tiny))
    axes: Floats = directions / np.sqrt((1 - shrinkage) * np.maximum(variances, 0) + shrinkage * even)
    return axes
