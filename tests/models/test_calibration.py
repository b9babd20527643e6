from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from linecore.inspection import FloatArray
from linecore_models.calibration import (
    BINS,
    MAX_TEMPERATURE,
    Indices,
    fit_temperature,
    nll_of,
    reliability_of,
)
from linecore_models.classification import tempered


def two_labels(margin: float, frames: int) -> FloatArray:
    """Return probabilities of frames that all answer the first of two labels, by *margin* of a logit."""
    first = 1 / (1 + math.exp(-margin))
    return np.tile(np.array([first, 1 - first], np.float32), (frames, 1))


def drawn(rng: np.random.Generator, sharpness: float) -> tuple[FloatArray, Indices]:
    """Draw truths as the probabilities say, and make the model surer of itself than that."""
    logits = rng.normal(0, 2, (4000, 5))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (honest.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    sure = np.exp(sharpness * logits)
    return (sure / sure.sum(axis=1, keepdims=True)).astype(np.float32), truth


def brier(scores: FloatArray, truth: Indices) -> float:
    return float(np.square(scores - np.eye(scores.shape[1])[truth]).sum(axis=1).mean())


def test_bins_hold_confidence_accuracy_and_count() -> None:
    scores = np.array([[0.9, 0.1], [0.92, 0.08], [0.3, 0.7], [0.0, 1.0]], np.float32)
    found = reliability_of(scores, np.array([0, 1, 1, 1]))
    filled = {round(one.low * BINS): one for one in found.bins if one.count}
    assert list(filled) == [10, 13, 14]  # 0.7 * 15 = 10.5, 0.9 * 15 = 13.5, 0.92 * 15 = 13.8; 1 is in the last
    assert (filled[13].count, filled[13].accuracy) == (2, 0.5)
    assert filled[13].confidence == pytest.approx(0.91)
    assert (filled[14].count, filled[14].accuracy, filled[14].confidence) == (1, 1, 1)
    assert found.ece == pytest.approx(2 / 4 * 0.41 + 1 / 4 * 0.3 + 0)
    assert sum(one.count for one in found.bins) == 4
    assert found.bins[0].confidence is None
    assert (found.bins[0].low, found.bins[-1].high) == (0, 1)


def test_nll_is_that_of_scikit_learn() -> None:
    scores, truth = drawn(np.random.default_rng(0), 1.5)
    exact = scores.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # float32 does not add up to 1 closely enough for it
    assert nll_of(scores, truth) == pytest.approx(log_loss(truth, exact), rel=1e-5)
    assert reliability_of(scores, truth).nll == nll_of(scores, truth)


@pytest.mark.parametrize(("frames", "right"), [(8, 6), (100, 99), (50, 20)])
def test_the_temperature_makes_confidence_the_share_that_is_right(frames: int, right: int) -> None:
    truth = (np.arange(frames) >= right).astype(np.int64)
    doubt = 1 / (frames + 2)
    share = ((1 - doubt) * right + doubt * (frames - right)) / frames
    expected = 2.0 / math.log(share / (1 - share)) if share > 0.5 else MAX_TEMPERATURE
    assert fit_temperature(two_labels(2.0, frames), truth) == pytest.approx(expected, rel=1e-4)


def test_a_model_without_mistakes_stays_a_little_in_doubt() -> None:
    temperature = fit_temperature(two_labels(5.0, 30), np.zeros(30, np.int64))
    assert temperature == pytest.approx(5.0 / math.log(31), rel=1e-4)
    assert tempered(two_labels(5.0, 30), temperature)[0, 0] == pytest.approx(31 / 32, rel=1e-5)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_again_and_is_the_best(sharpness: float) -> None:
    scores, truth = drawn(np.random.default_rng(1), sharpness)
    temperature = fit_temperature(scores, truth)
    assert temperature == pytest.approx(sharpness, rel=0.06)
    least = brier(tempered(scores, temperature), truth)
    for other in (0.97, 1.03):
        assert brier(tempered(scores, temperature * other), truth) > least
    assert reliability_of(tempered(scores, temperature), truth).ece < 0.025
    if sharpness != 1:
        assert reliability_of(scores, truth).ece > 0.05


def test_a_few_wrong_labels_do_not_make_all_frames_doubtful() -> None:
    """95 frames right by a margin of 6 and five surely wrong: the likelihood would ask for confidence below 0.9."""
    truth = (np.arange(100) >= 95).astype(np.int64)
    margins = np.where(truth == 1, 12.0, 6.0)
    first = 1 / (1 + np.exp(-margins))
    scores = np.stack([first, 1 - first], axis=1).astype(np.float32)
    assert tempered(scores, fit_temperature(scores, truth))[0, 0] > 0.93


def test_probabilities_that_were_rounded_to_zero_are_survived() -> None:
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    assert 0.05 <= fit_temperature(scores, np.array([0, 0, 0])) <= MAX_TEMPERATURE
