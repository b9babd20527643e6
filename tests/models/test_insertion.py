from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc

from linecore.inspection import Image
from linecore_models.answers import Answers
from linecore_models.insertion import STEPS, Ablation, area_under, hottest_first, measure_ablation, replaced


def answered(scores: list[float]) -> Answers:
    """Return answers of two labels, the second with these probabilities."""
    second = np.array(scores, np.float32)
    nothing = np.zeros((len(scores), 1), np.float32)
    return Answers(np.stack([1 - second, second], axis=1), nothing[:, None, None], nothing)


def sees_white_in_the_corner(squares: Image) -> Answers:
    """Answer label 1 as surely as the top left quarter is white."""
    return answered([float((square[:8, :8] > 250).mean()) for square in squares])


@pytest.fixture
def squares() -> Image:
    square = np.zeros((1, 16, 16), np.uint8)
    square[0, :8, :8] = 255
    return square


CORNER = np.array([[[1, 0], [0, 0]]], np.float32)


def test_the_area_under_a_curve_is_that_of_scikit_learn() -> None:
    curve = np.random.default_rng(0).random(17).astype(np.float32)
    assert area_under(curve) == pytest.approx(auc(np.linspace(0, 1, 17), curve), rel=1e-6)
    assert area_under(np.array([0, 1], np.float32)) == 0.5


def test_pixels_come_in_the_order_of_their_heat_and_no_pixel_twice() -> None:
    class_map = np.array([[0, 1], [3, 2]], np.float32)
    assert hottest_first(class_map, (2, 2)).tolist() == [2, 3, 1, 0]
    assert sorted(hottest_first(class_map, (7, 5)).tolist()) == list(range(35))


def test_where_the_heat_map_is_cold_the_class_map_still_has_an_order() -> None:
    assert hottest_first(np.array([[-3, -1, 1, -2]], np.float32), (1, 4)).tolist() == [2, 1, 3, 0]


def test_ever_more_pixels_are_replaced_none_at_first_and_all_at_last() -> None:
    image, by = np.zeros((2, 2), np.uint8), np.array([[10, 20], [30, 40]], np.uint8)
    frames = replaced(image, by, np.array([3, 0, 1, 2]), steps=2)
    np.testing.assert_array_equal(frames, [[[0, 0], [0, 0]], [[10, 0], [0, 40]], [[10, 20], [30, 40]]])
    assert not image.any()


def test_a_map_that_shows_the_evidence_beats_chance_at_both(squares: Image) -> None:
    found = measure_ablation(squares, CORNER, [1], sees_white_in_the_corner, np.random.default_rng(0))
    assert found.images == 1
    # A quarter of the pixels is all the evidence: after it the curve is at 1, or at 0.
    assert found.insertion > 0.8
    assert found.deletion < 0.2
    assert found.insertion_gap > 0.1
    assert found.deletion_gap > 0.2


def test_a_map_that_hides_the_evidence_loses_to_chance_at_both(squares: Image) -> None:
    found = measure_ablation(squares, -CORNER, [1], sees_white_in_the_corner, np.random.default_rng(0))
    assert found.insertion_gap < -0.1
    assert found.deletion_gap < -0.2


def test_the_areas_are_as_by_hand(squares: Image) -> None:
    """The two halves of a column map, in two steps: the curves have three points each."""
    column = np.array([[[1, 0]]], np.float32)

    def sees(frames: Image) -> Answers:
        return answered([float((frame[:, :8] == squares[0, :, :8]).all()) for frame in frames])

    found = measure_ablation(squares, column, [1], sees, np.random.default_rng(0), steps=2)
    # Shown: 0, 1, 1. Hidden: 1, 0, 0.
    assert (found.insertion, found.deletion) == (0.75, 0.25)


def test_the_label_that_is_explained_is_the_one_that_is_measured(squares: Image) -> None:
    one, other = (
        measure_ablation(squares, CORNER, [label], sees_white_in_the_corner, np.random.default_rng(0))
        for label in (0, 1)
    )
    assert one.insertion == pytest.approx(1 - other.insertion)


def test_images_are_averaged_and_progress_is_told(squares: Image) -> None:
    asked: list[int] = []
    told: list[tuple[int, int]] = []

    def sees(frames: Image) -> Answers:
        asked.append(len(frames))
        return answered([float(len(asked) - 1)] * len(frames))

    maps = np.repeat(CORNER, 2, axis=0)
    found = measure_ablation(
        np.repeat(squares, 2, axis=0),
        maps,
        [1, 1],
        sees,
        np.random.default_rng(0),
        watch=lambda done, of: told.append((done, of)),
    )
    assert found == Ablation(2, 0.5, 0.5, 0.5, 0.5)
    assert asked == [4 * (STEPS + 1)] * 2
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_the_same_seed_gives_the_same_figures(squares: Image) -> None:
    one, other = (
        measure_ablation(squares, CORNER, [1], sees_white_in_the_corner, np.random.default_rng(7)) for _ in range(2)
    )
    assert one == other
