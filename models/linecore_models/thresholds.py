"""What a person should look at: the confidence below which a verdict is UNCERTAIN, chosen by what mistakes cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linecore.errors import ConfigError
from linecore.inspection import FloatArray

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CANDIDATES: tuple[float, ...] = (
    *(round(0.01 * step, 2) for step in range(100)),
    *(round(0.99 + 0.001 * step, 3) for step in range(1, 10)),
    0.9995,
    0.9999,
)
"""Confidences to choose from: round numbers, for they go into a line's file."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What goes wrong costs, in any unit: only how they compare matters."""

    escape: float = 100.0  # a defect that passes
    overkill: float = 1.0  # good product that is rejected
    review: float = 2.0  # a person's look at an UNCERTAIN frame

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 <= (cost := getattr(self, name)) < float("inf"):
                raise ConfigError(f"the cost of an {name} is {cost:g}; it must be 0 or more".replace("an r", "a r"))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What comes of a pair of thresholds on the frames that they were tried on."""

    min_confidence: float  # any label below it is UNCERTAIN
    min_pass_confidence: float  # a pass label below it is UNCERTAIN too; never under min_confidence
    escapes: int
    overkill: int
    defects_reviewed: int
    good_reviewed: int
    defects: int  # frames with a defect
    good: int  # frames of good product
    cost: float  # expected, of a frame

    @property
    def reviewed(self) -> int:
        """Frames that a person looks at."""
        return self.defects_reviewed + self.good_reviewed


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest thresholds, and what others would have cost."""

    chosen: OperatingPoint  # one threshold for all labels, as a line's min_confidence is
    stricter_pass: OperatingPoint  # the cheapest where a PASS may ask for more than a FAIL
    curve: tuple[OperatingPoint, ...]  # one threshold for all labels, rising


def choose_thresholds(
    scores: FloatArray,
    truth: Indices,
    labels: Sequence[str],
    pass_labels: Sequence[str],
    costs: Costs,
    *,
    defect_share: float | None = None,
) -> Choice:
    """Return the thresholds at which mistakes and looks cost least.

    *scores* (N x labels, as served) and *truth* (indices of labels) are of frames that did not teach; take the
    validation frames, as they are and under line conditions. *defect_share* (0..1) is how many of a line's frames have
    a defect: data for training holds far more of them, and would make escapes look dearer than they are. None counts
    the frames as they come.

    Of thresholds that cost the same the highest is taken: frames to come are less sure than those that were seen.

    Raises:
        ConfigError: there are no frames, or the share is none.
    """
    if not len(truth):
        raise ConfigError("there are no frames to choose thresholds by")
    if defect_share is not None and not 0 <= defect_share <= 1:
        raise ConfigError(f"the share of frames with a defect is {defect_share:g}; it must be from 0 to 1")
    passes = np.isin(np.array(labels), np.array(pass_labels, dtype=np.str_))
    trial = _Trial(scores.max(axis=1), passes[scores.argmax(axis=1)], passes[truth], costs, defect_share)
    curve = tuple(trial.at(threshold, threshold) for threshold in CANDIDATES)
    chosen = _cheapest(curve)
    # Escapes hang on the threshold of a PASS alone and overkill on that of a FAIL: each is the best by itself.
    strict = _cheapest([trial.at(0.0, threshold) for threshold in CANDIDATES]).min_pass_confidence
    pairs = [trial.at(threshold, max(strict, threshold)) for threshold in CANDIDATES if threshold <= strict]
    return Choice(chosen, _cheapest([*pairs, chosen]), curve)


def _cheapest(points: Sequence[OperatingPoint]) -> OperatingPoint:
    # Costs are sums of floats: what differs in the last digits is the same.
    return min(points, key=lambda point: (round(point.cost, 12), -point.min_confidence, -point.min_pass_confidence))


@dataclass(frozen=True, slots=True)
class _Trial:
    confidence: FloatArray
    answered_pass: Flags
    is_good: Flags
    costs: Costs
    defect_share: float | None

    def at(self, min_confidence: float, min_pass_confidence: float) -> OperatingPoint:
        asked = np.where(self.answered_pass, min_pass_confidence, min_confidence)
        # In float64, as a line compares: 0.8 of float32 is more than 0.8.
        sure = self.confidence.astype(np.float64) >= asked
        good, defects = int(self.is_good.sum()), int((~self.is_good).sum())
        counts = {
            "escapes": int((sure & self.answered_pass & ~self.is_good).sum()),
            "overkill": int((sure & ~self.answered_pass & self.is_good).sum()),
            "defects_reviewed": int((~sure & ~self.is_good).sum()),
            "good_reviewed": int((~sure & self.is_good).sum()),
        }
        of_defects = counts["escapes"] * self.costs.escape + counts["defects_reviewed"] * self.costs.review
        of_good = counts["overkill"] * self.costs.overkill + counts["good_reviewed"] * self.costs.review
        share = defects / (defects + good) if self.defect_share is None else self.defect_share
        return OperatingPoint(
            min_confidence=min_confidence,
            min_pass_confidence=min_pass_confidence,
            **counts,
            defects=defects,
            good=good,
            cost=share * of_defects / max(defects, 1) + (1 - share) * of_good / max(good, 1),
        )
