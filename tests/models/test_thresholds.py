from __future__ import annotations

import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.thresholds import CANDIDATES, Choice, Costs, choose_thresholds

LABELS = ("ok", "patches", "scratches")
OK = 0


def choose(
    frames: list[tuple[int, int, float]],
    costs: Costs,
    defect_share: float | None = None,
    passes: tuple[str, ...] = ("ok",),
) -> Choice:
    """Choose by frames told as (truth, answer, confidence)."""
    scores = np.zeros((len(frames), 3), np.float32)
    for row, (_, answer, confidence) in zip(scores, frames, strict=True):
        row[:] = (1 - confidence) / 2
        row[answer] = confidence
    truth = np.array([frame[0] for frame in frames], np.int64)
    return choose_thresholds(scores, truth, LABELS, passes, costs, defect_share=defect_share)


FRAMES = [
    *[(OK, OK, 0.955)] * 6,  # good, and said so
    (OK, 1, 0.605),  # overkill
    (1, OK, 0.755),  # an escape
    *[(1, 1, 0.905)] * 3,
    (1, 2, 0.905),  # another defect's name is no escape
]


def test_a_dear_escape_is_looked_at() -> None:
    found = choose(FRAMES, Costs(escape=100, overkill=1, review=2)).chosen
    assert found.min_confidence == 0.90  # the highest that lets the sure frames through
    assert (found.escapes, found.overkill, found.defects_reviewed, found.good_reviewed) == (0, 0, 1, 1)
    assert (found.reviewed, found.defects, found.good) == (2, 5, 7)
    assert found.cost == pytest.approx((2 + 2) / 12)


def test_a_cheap_escape_is_not_worth_a_look() -> None:
    found = choose(FRAMES, Costs(escape=1, overkill=1, review=2)).chosen
    assert found.min_confidence == 0.60
    assert (found.escapes, found.overkill, found.reviewed) == (1, 1, 0)
    assert found.cost == pytest.approx(2 / 12)


def test_a_pass_may_be_asked_for_more_than_a_fail() -> None:
    found = choose(FRAMES, Costs(escape=100, overkill=1, review=2)).stricter_pass
    assert (found.min_confidence, found.min_pass_confidence) == (0.60, 0.95)
    assert (found.escapes, found.overkill, found.defects_reviewed, found.good_reviewed) == (0, 1, 1, 0)
    assert found.cost == pytest.approx((2 + 1) / 12)


def test_the_lines_share_of_defects_weighs_what_the_data_holds() -> None:
    point = choose(FRAMES, Costs(escape=100, overkill=1, review=2), defect_share=0.01).curve[0]
    assert (point.escapes, point.overkill, point.reviewed) == (1, 1, 0)
    assert point.cost == pytest.approx(0.01 * 100 / 5 + 0.99 * 1 / 7)


def test_the_curve_counts_at_every_threshold() -> None:
    curve = choose(FRAMES, Costs()).curve
    assert tuple(point.min_confidence for point in curve) == CANDIDATES
    assert all(point.min_pass_confidence == point.min_confidence for point in curve)
    reviewed = [point.reviewed for point in curve]
    assert reviewed == sorted(reviewed)
    assert (reviewed[0], reviewed[-1]) == (0, 12)


def test_every_choice_is_the_cheapest_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        frames = [(int(rng.integers(3)), int(rng.integers(3)), round(float(rng.uniform(0.4, 1)), 3)) for _ in range(60)]
        found = choose(frames, Costs(escape=rng.uniform(1, 20), overkill=rng.uniform(0.5, 5), review=1))
        assert found.chosen.cost == pytest.approx(min(point.cost for point in found.curve))
        assert found.stricter_pass.cost <= found.chosen.cost + 1e-12


def test_a_model_that_knows_defects_only_has_no_escapes() -> None:
    found = choose([(1, 1, 0.905), (2, 1, 0.605)], Costs(), passes=()).chosen
    assert (found.escapes, found.overkill, found.reviewed, found.good) == (0, 0, 0, 0)
    assert found.min_confidence == 0.60


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda: Costs(escape=-1), "the cost of an escape is -1; it must be 0 or more"),
        (lambda: Costs(review=float("nan")), "the cost of a review is nan; it must be 0 or more"),
        (lambda: choose([], Costs()), "there are no frames to choose thresholds by"),
        (lambda: choose(FRAMES, Costs(), 1.5), "the share of frames with a defect is 1.5; it must be from 0 to 1"),
    ],
    ids=["escape", "review", "no frames", "share"],
)
def test_a_wrong_wish_is_one_sentence(change: object, sentence: str) -> None:
    assert callable(change)
    with pytest.raises(ConfigError, match=sentence):
        change()
