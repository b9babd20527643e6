"""How well a score tells one label from the rest, at every threshold at once: ROC and precision-recall curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from linecore.inspection import FloatArray
from linecore_models.evaluation import Indices

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One label (the positives) against the rest."""

    positives: int
    negatives: int
    auc: float  # area under the ROC curve: how often a positive scores higher than a negative
    average_precision: float  # mean of the precision over the steps of the recall
    false_positive_rate: Floats  # of the ROC curve, rising
    true_positive_rate: Floats
    recall: Floats  # of the precision-recall curve, falling
    precision: Floats


def curve_of(positive: Flags, scores: FloatArray | Floats) -> Curve | None:
    """Return how well *scores* (N) set the *positive* ones of N frames apart; None where all are or none is."""
    positives = int(positive.sum())
    if not 0 < positives < len(positive):
        return None
    false_positive_rate, true_positive_rate, _ = roc_curve(positive, scores)
    precision, recall, _ = precision_recall_curve(positive, scores)
    return Curve(
        positives=positives,
        negatives=len(positive) - positives,
        auc=float(roc_auc_score(positive, scores)),
        average_precision=float(average_precision_score(positive, scores)),
        false_positive_rate=false_positive_rate,
        true_positive_rate=true_positive_rate,
        recall=recall,
        precision=precision,
    )


def one_vs_rest(truth: Indices, scores: FloatArray, labels: tuple[str, ...]) -> dict[str, Curve]:
    """Return the curve of each label that some of the N frames carry, and some do not; *scores* is N x labels."""
    found = {label: curve_of(truth == index, scores[:, index]) for index, label in enumerate(labels)}
    return {label: curve for label, curve in found.items() if curve is not None}
