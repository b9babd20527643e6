"""How good answers are: counts first, shares of them second, and how sure one may be of a share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linecore_models.manifest import Agreement, LabelMetrics, Metrics, Score

Indices = npt.NDArray[np.int64]
Confusion = tuple[tuple[int, ...], ...]
"""Rows are the truth, columns the answer."""

Z_95 = 1.959963984540054
"""Standard normal deviate of a two-sided 95 % interval."""


def confusion_of(truth: Indices, answers: Indices, labels: int) -> Confusion:
    """Count the answers (indices of labels) for each truth."""
    counts = np.zeros((labels, labels), np.int64)
    np.add.at(counts, (truth, answers), 1)
    return tuple(tuple(int(count) for count in row) for row in counts)


def metrics_of(
    truth: Indices, answers: Indices, folders: Sequence[str], labels: Sequence[str], pass_labels: Sequence[str]
) -> Metrics:
    """Return what model.json says of these answers; *folders* names the data folder of each frame."""
    confusion = confusion_of(truth, answers, len(labels))
    score = score_of(confusion, labels, pass_labels)
    return Metrics(
        correct=score.correct,
        of=score.of,
        accuracy=score.accuracy,
        per_class={label: _label_metrics(confusion, index) for index, label in enumerate(labels)},
        confusion=confusion,
        folders=scores_by_folder(truth, answers, folders, labels, pass_labels),
    )


def scores_by_folder(
    truth: Indices, answers: Indices, folders: Sequence[str], labels: Sequence[str], pass_labels: Sequence[str]
) -> dict[str, Score]:
    """Return the score of each data folder's frames."""
    of_frame = np.array(folders)
    return {
        folder: score_of(
            confusion_of(truth[of_frame == folder], answers[of_frame == folder], len(labels)), labels, pass_labels
        )
        for folder in dict.fromkeys(folders)
    }


def score_of(confusion: Confusion, labels: Sequence[str], pass_labels: Sequence[str]) -> Score:
    """Sum a confusion matrix up; there must be at least one frame in it."""
    counts = np.array(confusion)
    passes = np.isin(np.array(labels), np.array(pass_labels, dtype=np.str_))
    correct, of = int(counts.trace()), int(counts.sum())
    return Score(
        correct=correct,
        of=of,
        accuracy=correct / of,
        escapes=int(counts[~passes][:, passes].sum()),
        overkill=int(counts[passes][:, ~passes].sum()),
    )


def agreement_of(answers: Indices, others: Indices) -> Agreement:
    """Count the frames that two models give the same label."""
    return Agreement(agree=int((answers == others).sum()), of=len(answers))


def wilson_interval(k: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the interval that holds the true share, 95 % of the time, when *k* of *n* were seen (Wilson 1927)."""
    share = k / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _label_metrics(confusion: Confusion, index: int) -> LabelMetrics:
    hits = confusion[index][index]
    support = sum(confusion[index])
    answered = sum(row[index] for row in confusion)
    return LabelMetrics(
        recall=hits / support if support else 0.0,
        precision=hits / answered if answered else 0.0,
        # Harmonic mean of the two; also right where one of them has nothing to be measured on.
        f1=2 * hits / (support + answered) if support + answered else 0.0,
        support=support,
    )
