from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from linecore_models.separation import separation_of


def test_hand_counted() -> None:
    found = separation_of(np.array([0.0, 1, 2, 3]), np.array([2.5, 4, 5, 6]))
    assert found.auroc == 15 / 16
    assert (found.known, found.novel, found.false_alarms, found.false_positive_rate) == (4, 4, 1, 0.25)


def test_ties_count_half() -> None:
    assert separation_of(np.zeros(3), np.zeros(5)).auroc == 0.5
    assert separation_of(np.zeros(3), np.zeros(5)).false_alarms == 3
    assert separation_of(np.ones(2), np.zeros(2)).auroc == 0


@pytest.mark.parametrize("decimals", [1, 6])
def test_as_scikit_learn_says(decimals: int) -> None:
    rng = np.random.default_rng(0)
    known, novel = rng.normal(0, 1, 300).round(decimals), rng.normal(1.5, 1, 100).round(decimals)
    found = separation_of(known, novel)
    truth, numbers = np.repeat([0, 1], [300, 100]), np.concatenate([known, novel])
    assert found.auroc == pytest.approx(roc_auc_score(truth, numbers))
    false, true, _ = roc_curve(truth, numbers, drop_intermediate=False)
    assert found.false_positive_rate == pytest.approx(false[true >= 0.95].min())
