"""Whether confidence means what it says, and the temperature that makes it so (Guo et al. 2017, arXiv 1706.04599)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from linecore.inspection import FloatArray

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

BINS = 15
"""Of equal width from 0 to 1, as in the paper."""

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Beyond these no network's logits lie; a fit that ends at one of them has nothing to learn from."""

GRID = 121


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies in [low, high); the last bin holds 1 as well."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean; None where the bin is empty
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """What confidence said and what came true."""

    bins: tuple[Bin, ...]
    nll: float  # mean of -log of the true label's probability

    @property
    def ece(self) -> float:
        """Expected calibration error, 0..1: |confidence - accuracy| of each bin, weighed by its frames."""
        of = sum(one.count for one in self.bins)
        return sum(
            one.count / of * abs(one.confidence - one.accuracy)
            for one in self.bins
            if one.confidence is not None and one.accuracy is not None
        )


def reliability_of(scores: FloatArray, truth: Indices) -> Reliability:
    """Compare probabilities (N x labels, N at least 1) with the *truth* (N indices of labels)."""
    confidence = scores.max(axis=1).astype(np.float64)
    correct = scores.argmax(axis=1) == truth
    of_bin = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = tuple(_bin(index, confidence[of_bin == index], correct[of_bin == index]) for index in range(BINS))
    return Reliability(bins, nll_of(scores, truth))


def nll_of(scores: FloatArray, truth: Indices) -> float:
    """Return the negative log-likelihood a frame: the mean of -log of the true label's probability."""
    return float(-_logs(scores)[np.arange(len(truth)), truth].mean())


def fit_temperature(scores: FloatArray, truth: Indices) -> float:
    """Return what to divide the logits by, for the probabilities to be as right as they can: of the least Brier score.

    *scores* (N x labels, untempered) are those of frames that did not teach. Give the validation frames as they are and
    under line conditions: a model makes mistakes there to learn from, and a line will show it such frames. Where it
    makes none, a temperature of 0 would be best, confidence 1 for ever. So one more frame than were seen is thought to
    be wrong (Platt 1999, Lin et al. 2007): of each frame 1 / (N + 2) counts as its second-best label.

    The Brier score (Brier 1950) is proper like the likelihood that is common here, and bounded: of a few frames that
    annotators labelled wrongly, each costs 2 at most, and cannot make all others look doubtful. Labels and their order
    stay as they are.
    """
    logits = _logs(scores)
    rows = np.arange(len(truth))
    others = logits.copy()
    others[rows, truth] = -np.inf
    doubt = 1 / (len(truth) + 2)
    wanted = np.zeros_like(logits)
    wanted[rows, truth] = 1 - doubt
    wanted[rows, others.argmax(axis=1)] = doubt

    def brier(log_temperature: float) -> float:
        exponentials = np.exp((logits - logits.max(axis=1, keepdims=True)) / math.exp(log_temperature))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return float(np.square(probabilities - wanted).sum(axis=1).mean())

    # It need not be convex: the best of a grid first, then what lies between its neighbours.
    grid = np.linspace(math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE), GRID)
    best = min(range(GRID), key=lambda place: brier(float(grid[place])))
    bounds = grid[max(0, best - 1)], grid[min(GRID - 1, best + 1)]
    return math.exp(float(minimize_scalar(brier, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x))


def _logs(scores: FloatArray) -> Floats:
    """Return logits, but for a constant of each frame, as serving takes them from the probabilities."""
    logs: Floats = np.log(np.maximum(scores, np.finfo(np.float32).tiny)).astype(np.float64)
    return logs


def _bin(index: int, confidence: Floats, correct: Flags) -> Bin:
    some = len(confidence) > 0
    return Bin(
        low=index / BINS,
        high=(index + 1) / BINS,
        count=len(confidence),
        confidence=float(confidence.mean()) if some else None,
        accuracy=float(correct.mean()) if some else None,
    )
