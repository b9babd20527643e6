from __future__ import annotations

import numpy as np
import pytest

from linecore_models.curves import curve_of, one_vs_rest

POSITIVE = np.array([True, True, False, True, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.1])


def test_the_areas_are_as_counted_by_hand() -> None:
    curve = curve_of(POSITIVE, SCORES)
    assert curve is not None
    assert (curve.positives, curve.negatives) == (3, 2)
    assert curve.auc == pytest.approx(5 / 6)  # of the 3 x 2 pairs, only (0.6, 0.7) stands the wrong way round
    # Precision at each positive that is found: 1 of 1, 2 of 2, 3 of 4.
    assert curve.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_the_curves_run_from_nothing_found_to_all() -> None:
    curve = curve_of(POSITIVE, SCORES)
    assert curve is not None
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert (curve.recall[0], curve.recall[-1]) == (1, 0)


def test_nothing_can_be_told_apart_where_all_or_none_carry_the_label() -> None:
    assert curve_of(np.array([True, True]), np.array([0.1, 0.2])) is None
    assert curve_of(np.array([False, False]), np.array([0.1, 0.2])) is None


def test_each_label_stands_against_the_rest() -> None:
    scores = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.4, 0.5, 0.1]], np.float32)
    curves = one_vs_rest(np.array([0, 1, 1]), scores, ("a", "b", "never there"))
    assert list(curves) == ["a", "b"]
    assert curves["a"].auc == curves["b"].auc == 1
