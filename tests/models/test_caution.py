from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_models.answers import keras_outputs
from linecore_models.architecture import build_model, class_bias
from linecore_models.caution import cheapest_shift, make_cautious
from linecore_models.recipe import NO_WEIGHTS

PASSES = (True, False, False)  # ok, patches, scratches


def logits(*margins: float) -> FloatArray:
    """Return a frame for each margin by which ok wins over scratches; patches are far behind."""
    return np.array([[margin, -9.0, 0.0] for margin in margins], np.float32)


def shift(good: list[float], defects: list[float]) -> float:
    """Return the cheapest shift where good frames and defects are called ok by these margins."""
    truth = np.array([0] * len(good) + [2] * len(defects))
    return cheapest_shift(logits(*good, *defects), truth, PASSES)


@pytest.mark.parametrize(
    ("good", "defects", "expected"),
    [
        ([5.0, 3.0], [-1.0, 0.6], 0.75),  # the escape is found, and no good frame is lost
        ([5.0, 3.0], [-1.0, -2.0], 0.0),  # nothing escapes
        ([5.0, 0.3], [-1.0, 0.6], 0.75),  # one of two defects is dearer than one of two good frames
        ([0.3] * 10, [0.6] + [-1.0] * 99, 0.0),  # one of a hundred defects is cheaper than all good frames
        ([5.0] * 19 + [0.3], [0.6] + [-1.0] * 99, 0.75),  # 10 x 1 % is more than one good frame of twenty
        ([5.0, 4.0], [3.1, 3.5], 0.0),  # beyond reach
    ],
)
def test_good_product_gives_way_as_far_as_that_is_cheaper(
    good: list[float], defects: list[float], expected: float
) -> None:
    assert shift(good, defects) == expected


def test_without_good_frames_or_without_defects_all_stays() -> None:
    assert shift([], [0.6]) == 0.0
    assert shift([5.0], []) == 0.0


def test_of_two_labels_of_good_product_the_surer_one_counts() -> None:
    frames = np.array([[0.6, 2.0, 0.0], [0.1, 1.7, 0.0]], np.float32)
    assert cheapest_shift(frames, np.array([0, 2]), (True, True, False)) == 1.75


def test_the_bias_of_good_product_falls_and_class_maps_stay() -> None:
    """Of two frames that look alike, one is a defect: with half of the defects escaping, good product gives way."""
    model = build_model(3, 32, weights=NO_WEIGHTS, alpha=0.35)
    model.get_layer("logits").bias.assign([1.1, 0.0, 0.0])
    evidence = model.get_layer("evidence").kernel
    evidence.assign(np.zeros(evidence.shape))
    squares = np.zeros((2, 32, 32), np.uint8)
    before = keras_outputs(model, "class_maps", squares)
    assert make_cautious(model, squares, np.array([0, 1]), PASSES) == 1.25
    assert class_bias(model) == pytest.approx([-0.15, 0.0, 0.0])
    np.testing.assert_array_equal(keras_outputs(model, "class_maps", squares), before)
