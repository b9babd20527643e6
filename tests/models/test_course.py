from __future__ import annotations

from dataclasses import replace

import pytest

from linecore_models.course import Course, Epoch
from linecore_models.recipe import Recipe
from linecore_models.schedule import Fall, epochs_within

RECIPE = Recipe(weights="some.h5", head_epochs=2, fine_tune_epochs=6)


def epoch(number: int, validation_loss: float, stage: str = "whole") -> Epoch:
    return Epoch(number, stage, 1.0, 0.6, 0.4, 0.5, validation_loss, 0.5, 0.4, 10.0)


def after(course: Course, *losses: float) -> Course:
    for loss in losses:
        course = course.after(epoch(len(course.epochs) + 1, loss, course.stage))
    return course


def test_the_rate_rises_in_the_first_half_epoch_and_falls_along_half_a_cosine() -> None:
    fall = Fall(4)
    assert fall.rate(1.0, 0.0) == 0
    assert fall.rate(1.0, 0.25) == pytest.approx(0.5 * 0.5 * (1 + 0.98079), rel=1e-3)
    for _ in range(2):
        fall = fall.after_epoch()
    assert fall.rate(1.0, 0.0) == pytest.approx(0.5)
    assert fall.after_epoch().rate(1.0, 1.0) == pytest.approx(0, abs=1e-12)


def test_a_fall_that_is_to_end_sooner_goes_on_from_where_it_is() -> None:
    fall = Fall(10).after_epoch().after_epoch()
    sooner = fall.until(3)
    assert sooner.rate(1.0, 0.0) == pytest.approx(fall.rate(1.0, 0.0))
    assert sooner.rate(1.0, 1.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("seconds", "epochs"), [(0, 0), (-5, 0), (14, 1), (16, 2), (100, 10)])
def test_epochs_fill_the_time_to_half_an_epoch(seconds: float, epochs: int) -> None:
    assert epochs_within(seconds, 10) == epochs


def test_the_head_learns_first_and_then_the_whole() -> None:
    course = Course.planned(RECIPE)
    assert [after(course, *[1.0] * done).stage for done in range(4)] == ["head", "head", "whole", "whole"]
    assert not Course.planned(replace(RECIPE, weights="none")).head_epochs


def test_it_is_over_when_the_plan_is_done_or_nothing_gets_better() -> None:
    course = Course.planned(RECIPE)
    assert not course.over(patience=3)
    assert not after(course, 9, 8, 5, 6, 7).over(patience=3)
    assert after(course, 9, 8, 5, 6, 7, 8).over(patience=3)
    assert after(course, *[9, 8, 7, 6, 5, 4, 3, 2]).over(patience=3)
    # A head that is better than the whole at first is not what patience is for.
    assert not after(course, 1, 2, 3, 4).over(patience=3)


def test_the_best_epoch_is_the_first_of_the_lowest_loss() -> None:
    assert after(Course.planned(RECIPE), 3, 2, 2, 5).best.number == 2


def test_a_time_budget_plans_what_fits() -> None:
    course = Course.planned(RECIPE).within(600, head_seconds=10, whole_seconds=30, recipe=RECIPE)
    # A sixth for the head at most, which wants but two; the rest is 580 s of 30 s each.
    assert course.head_epochs == 2
    assert course.head.planned == 2 + 19
    late = replace(after(course, 5, 4, 3), seconds=500.0)
    assert late.within(600, 10, 30, RECIPE).head.planned == 3 + 3


def test_a_course_comes_back_from_json() -> None:
    course = after(Course.planned(RECIPE), 3, 2)
    assert Course.from_json(course.to_json()) == course
