from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from linecore_models.evaluation import (
    agreement_of,
    confusion_of,
    metrics_of,
    score_of,
    scores_by_folder,
    wilson_interval,
)
from linecore_models.manifest import Score

LABELS = ("crazing", "ok", "scratches")
#                 crazing x4    ok x3    scratches x3
TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 0])
FOLDERS = ["neu"] * 4 + ["drawn"] * 6


def test_the_confusion_matrix_has_the_truth_in_rows() -> None:
    assert confusion_of(TRUTH, ANSWERS, 3) == ((3, 1, 0), (0, 2, 1), (1, 0, 2))


def test_metrics_are_as_counted_by_hand() -> None:
    metrics = metrics_of(TRUTH, ANSWERS, FOLDERS, LABELS, ["ok"])
    assert (metrics.correct, metrics.of, metrics.accuracy) == (7, 10, 0.7)
    crazing = metrics.per_class["crazing"]
    assert (crazing.recall, crazing.precision, crazing.f1, crazing.support) == (0.75, 0.75, 0.75, 4)
    ok = metrics.per_class["ok"]
    assert (ok.recall, ok.precision, ok.support) == (2 / 3, 2 / 3, 3)


def test_metrics_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    metrics = metrics_of(truth, answers, ["neu"] * 400, LABELS, [])
    precision, recall, f1, support = precision_recall_fscore_support(truth, answers)
    assert metrics.confusion == tuple(map(tuple, confusion_matrix(truth, answers)))
    assert metrics.accuracy == accuracy_score(truth, answers)
    for index, label in enumerate(LABELS):
        found = metrics.per_class[label]
        assert (found.precision, found.recall, found.support) == (precision[index], recall[index], support[index])
        assert found.f1 == pytest.approx(f1[index], rel=1e-12)


def test_a_label_that_nothing_carries_or_gets_counts_as_zero_as_in_scikit_learn() -> None:
    truth, answers = np.array([0, 0, 2]), np.array([0, 0, 0])
    metrics = metrics_of(truth, answers, ["neu"] * 3, LABELS, [])
    precision, recall, f1, _ = precision_recall_fscore_support(truth, answers, labels=[0, 1, 2], zero_division=0)
    for index, label in enumerate(LABELS):
        found = metrics.per_class[label]
        assert (found.precision, found.recall) == (precision[index], recall[index])
        assert found.f1 == pytest.approx(f1[index])


def test_an_escape_is_a_defect_that_passes_and_overkill_a_good_part_that_does_not() -> None:
    score = score_of(((3, 1, 0), (0, 2, 1), (1, 0, 2)), LABELS, ["ok"])
    assert score == Score(correct=7, of=10, accuracy=0.7, escapes=1, overkill=1)


def test_a_defect_taken_for_another_is_neither_escape_nor_overkill() -> None:
    assert score_of(((0, 0, 4), (0, 3, 0), (3, 0, 0)), LABELS, ["ok"]).escapes == 0
    assert score_of(((0, 0, 4), (0, 3, 0), (3, 0, 0)), LABELS, ["ok"]).overkill == 0


def test_without_a_pass_label_nothing_escapes() -> None:
    score = score_of(((3, 1, 0), (0, 2, 1), (1, 0, 2)), LABELS, [])
    assert (score.escapes, score.overkill) == (0, 0)


def test_each_data_folder_has_its_own_score() -> None:
    scores = scores_by_folder(TRUTH, ANSWERS, FOLDERS, LABELS, ["ok"])
    assert scores == {
        "neu": Score(correct=3, of=4, accuracy=0.75, escapes=1, overkill=0),
        "drawn": Score(correct=4, of=6, accuracy=4 / 6, escapes=0, overkill=1),
    }
    assert metrics_of(TRUTH, ANSWERS, FOLDERS, LABELS, ["ok"]).folders == scores


def test_agreement_counts_the_same_answers_right_or_wrong() -> None:
    agreement = agreement_of(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]))
    assert (agreement.agree, agreement.of, agreement.share) == (3, 4, 0.75)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_the_wilson_interval_is_as_published(k: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(k, n) == pytest.approx((low, high), abs=5e-5)
