"""Ways to measure novelty, side by side: what the one that is served was chosen from.

None of these is needed for serving. Each is learnt from the answers to teaching frames, and compared on frames that did
not teach and on surfaces that are none of the product, by how well it tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray
from linecore_models.novelty import of_length_one
from linecore_models.novelty_fit import SHRINKAGE, whitening
from linecore_models.separation import Separation, separation_of

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

NEIGHBOURS = 5
COMPONENTS = 64
BATCH = 512
"""Frames that are compared with all teaching frames at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a model says of N frames, as far as it tells novelty."""

    embedding: FloatArray  # N x features
    logits: FloatArray  # N x labels

    def __len__(self) -> int:
        return len(self.embedding)


Measure = Callable[[Seen], Floats]
"""Gives N numbers; the higher, the more novel."""

Learn = Callable[[Seen, Indices], Measure]
"""Makes a measure from teaching frames and the indices of their labels."""

View = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""Changes embeddings (N x features) before anything is measured."""


def least_confidence(taught: Seen, truth: Indices) -> Measure:
    """One less the highest probability (Hendrycks and Gimpel 2017)."""
    return lambda seen: 1 - _probabilities(seen.logits).max(axis=1)


def low_logit(taught: Seen, truth: Indices) -> Measure:
    """The highest logit, turned round (Hendrycks et al. 2022)."""
    return lambda seen: -seen.logits.max(axis=1).astype(np.float64)


def energy(taught: Seen, truth: Indices) -> Measure:
    """Minus the logarithm of the sum of the logits' exponentials (Liu et al. 2020)."""
    return lambda seen: -np.logaddexp.reduce(seen.logits.astype(np.float64), axis=1)


def mahalanobis(view: View, *, relative: bool = False) -> Learn:
    """Distance to the nearest label's mean, in the labels' common covariance (Lee et al. 2018).

    *relative* takes off the distance to the mean of all frames, in the covariance of all (Ren et al. 2021).
    """

    def learn(taught: Seen, truth: Indices) -> Measure:
        features = view(taught.embedding.astype(np.float64))
        labels, of_frame = np.unique(truth, return_inverse=True)
        means = np.stack([features[truth == label].mean(axis=0) for label in labels])
        middle = features.mean(axis=0)
        within, overall = (
            whitening(deviations, SHRINKAGE) for deviations in (features - means[of_frame], features - middle)
        )

        def measure(seen: Seen) -> Floats:
            looks = view(seen.embedding.astype(np.float64))
            on_axes, centres = looks @ within, means @ within
            nearest: Floats = np.min([np.square(on_axes - centre).sum(axis=1) for centre in centres], axis=0)
            return nearest - np.square((looks - middle) @ overall).sum(axis=1) if relative else nearest

        return measure

    return learn


def neighbours(view: View) -> Learn:
    """Distance to the fifth nearest teaching frame, at length 1 (Sun et al. 2022)."""

    def learn(taught: Seen, truth: Indices) -> Measure:
        known = of_length_one(view(taught.embedding))

        def measure(seen: Seen) -> Floats:
            looks = of_length_one(view(seen.embedding))
            batches = [looks[start : start + BATCH] @ known.T for start in range(0, len(looks), BATCH)]
            nearness = np.partition(np.concatenate(batches), -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
            return np.asarray(1 - nearness, np.float64)

        return measure

    return learn


def residual(view: View) -> Learn:
    """What the first 64 principal components of the teaching frames leave over, as in ViM (Wang et al. 2022)."""

    def learn(taught: Seen, truth: Indices) -> Measure:
        features = view(taught.embedding.astype(np.float64))
        middle = features.mean(axis=0)
        _, directions = np.linalg.eigh((features - middle).T @ (features - middle))
        rest = directions[:, : max(1, directions.shape[1] - COMPONENTS)]
        return lambda seen: np.square((view(seen.embedding.astype(np.float64)) - middle) @ rest).sum(axis=1)

    return learn


def _as_it_is(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return embeddings


def _rooted(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the features' square roots, at length 1, as for histograms (Arandjelovic and Zisserman 2012)."""
    return of_length_one(np.sign(embeddings) * np.sqrt(np.abs(embeddings)))


KEPT = "Mahalanobis, length 1"
"""What :mod:`linecore_models.novelty` measures, beside spectra."""

WITH_SPECTRUM = f"{KEPT}; spectrum"
"""What it measures before other surfaces are shown."""

SERVED = f"{WITH_SPECTRUM}; other surfaces"
"""All that it measures."""

METHODS: Mapping[str, Learn] = {
    "least confidence": least_confidence,
    "low logit": low_logit,
    "energy": energy,
    "neighbours": neighbours(_as_it_is),
    "neighbours, roots": neighbours(_rooted),
    "residual": residual(_as_it_is),
    "residual, roots": residual(_rooted),
    "Mahalanobis": mahalanobis(_as_it_is),
    KEPT: mahalanobis(of_length_one),
    "Mahalanobis, roots": mahalanobis(_rooted),
    "relative Mahalanobis": mahalanobis(_as_it_is, relative=True),
    "relative Mahalanobis, length 1": mahalanobis(of_length_one, relative=True),
    "relative Mahalanobis, roots": mahalanobis(_rooted, relative=True),
}


def compare(
    taught: Seen, truth: Indices, known: Seen, novel: Mapping[str, Seen], methods: Mapping[str, Learn] = METHODS
) -> dict[str, dict[str, Separation]]:
    """Return method -> family of *novel* frames -> how well it tells them from *known* frames that did not teach.

    Choose by frames and families that judge nothing afterwards.
    """
    separations = {}
    for name, learn in methods.items():
        measure = learn(taught, truth)
        of_known = measure(known)
        separations[name] = {family: separation_of(of_known, measure(seen)) for family, seen in novel.items()}
    return separations


def _probabilities(logits: FloatArray) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
