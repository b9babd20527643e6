"""From the embeddings of known frames to what serving needs to tell novel ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from linecore_models.novelty import LEVELS, Centres, Elsewhere, Looks, Novelty, Spectrum, of_length_one

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SHRINKAGE = 0.15
"""How much of a covariance is replaced by an even one: directions in which nothing varied are not infinite then, and
small deviations along them, which steel under a new light has too, do not outweigh all else."""

OF_BANDS = 0.02
"""The same for the bands of a spectrum: they are few, and what noise has and steel has not lies along small ones."""

LEAST = 0.1
"""Quantile of the known frames below which a look that is no other surface's counts no further: what lies the opposite
way, and far from all that is known, would come near otherwise."""

NEAREST = 0.1
"""Share of the median distance of known frames below which logarithms do not follow: a frame that is nothing but its
label's mean would set the unit otherwise."""

BORDER = 0.999
"""Quantile of the known frames within which a spectrum says nothing: it tells noise from steel, and surfaces worse."""


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """Frames of surfaces that are none of the product."""

    looks: Looks
    families: Sequence[frozenset[str]]  # what is to be seen on each

    def without(self, family: str) -> Self:
        """Return those that show nothing of *family*: what is learnt from them may be judged by it."""
        kept = np.array([family not in seen for seen in self.families], bool)
        looks = Looks(self.looks.embedding[kept], self.looks.bands[kept])
        return replace(self, looks=looks, families=[seen for seen in self.families if family not in seen])


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


def with_others(novelty: Novelty, taught: Looks, known: Looks, others: Others) -> Novelty:
    """Return *novelty*, fitted to *taught* and *known*, when it has learnt what *others* look like.

    A logistic regression tells *taught* from *others* by where embeddings lie on the axes and by the logarithm of the
    distance. Its log-odds are added to that logarithm, each in the unit in which it varies among the *known*, from
    where a tenth of these lie upwards, so that nothing comes nearer: what is far from all that is known is novel also
    where the regression, which has seen nothing there, is wrong. Where the known frames are all alike, there is no such
    unit, and the distance stays as it is.
    """
    alone = replace(novelty, elsewhere=None)
    nearest = max(NEAREST * float(np.median(alone.distances(known))), float(np.finfo(np.float32).tiny))

    def features(looks: Looks) -> Floats:
        distances = np.maximum(alone.distances(looks), nearest)
        return np.column_stack([of_length_one(looks.embedding) @ alone.centres.axes, np.log(distances)])

    seen = np.concatenate([features(taught), features(others.looks)])
    other = np.arange(len(seen)) >= len(taught)
    scaler = StandardScaler().fit(seen)
    # Balanced: how many pictures were drawn says nothing of how often a line sees another surface.
    regression = LogisticRegression(class_weight="balanced", max_iter=1000).fit(scaler.transform(seen), other)
    weights = regression.coef_[0] / scaler.scale_
    near = features(known)
    unit, unit_of_odds = float(near[:, -1].std()), float((near @ weights).std())
    if min(unit, unit_of_odds) < np.finfo(np.float32).eps:
        return alone
    # distance / unit + odds / unit_of_odds, divided by what the distance has of that: its logarithm counts once.
    of_distance = 1 / unit + max(0.0, float(weights[-1])) / unit_of_odds
    way = np.asarray(alone.centres.axes @ weights[:-1] / (unit_of_odds * of_distance), np.float32)
    least = float(np.quantile(of_length_one(known.embedding) @ way, LEAST))
    complete = replace(alone, elsewhere=Elsewhere(way, least))
    return replace(complete, knots=np.quantile(complete.distances(known), LEVELS))


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
