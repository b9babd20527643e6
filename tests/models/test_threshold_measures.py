from __future__ import annotations

from pathlib import Path

import numpy as np

from linecore.inspection import FloatArray, Image
from linecore_models.answers import Answers
from linecore_models.dataset import label_indices, read_folders
from linecore_models.exhibits import Exhibits
from linecore_models.stress import CONDITIONS, LOOKS
from linecore_models.threshold_measures import measure_thresholds
from linecore_models.thresholds import Costs
from tests.bundles import LABELS, tiny_manifest
from tests.models.judged import write_judged

NOT_MEASURED = np.zeros((0, 1, 1, 3), np.float32)


def sure(confidence: float, count: int) -> FloatArray:
    """Call every frame good, with this confidence."""
    rest = (1 - confidence) / 2
    return np.tile(np.array([confidence, rest, rest], np.float32), (count, 1))


class Asked:
    """A model that is 90 % sure of everything, and counts what it is asked."""

    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, squares: Image) -> Answers:
        """Return the same for each."""
        self.frames += len(squares)
        return Answers(sure(0.9, len(squares)), NOT_MEASURED, NOT_MEASURED)


def exhibits_of(folder: Path) -> Exhibits:
    """Judge every image good, with a confidence of 95 %."""
    images = read_folders([write_judged(folder / "plates")])
    answers = Answers(sure(0.95, len(images)), NOT_MEASURED, NOT_MEASURED)
    return Exhibits(tiny_manifest({}), images, images, label_indices(images, LABELS), answers, {})


def test_validation_images_choose_and_the_evaluated_ones_try(tmp_path: Path) -> None:
    exhibits, ask = exhibits_of(tmp_path), Asked()
    found = measure_thresholds(exhibits, exhibits.images, "test", Costs(), None, ask, stress=False)
    assert found is not None
    assert (found.chosen_by, found.under_conditions, ask.frames) == ("validation", False, 7)
    # Five defects of seven pass at 90 %: the cheapest is to look at all that is no surer than that.
    assert found.chosen.min_confidence > 0.9
    assert found.chosen.escapes is not None
    assert (found.chosen.escapes.k, found.chosen.reviewed.k) == (0, 7)
    assert found.tried.min_confidence == found.chosen.min_confidence
    assert found.tried.escapes is not None
    assert found.tried.escapes.n == 5


def test_under_line_conditions_each_image_is_looked_at_a_few_times_more(tmp_path: Path) -> None:
    exhibits, ask = exhibits_of(tmp_path), Asked()
    found = measure_thresholds(exhibits, exhibits.images, "test", Costs(), None, ask, stress=True)
    assert found is not None
    assert found.under_conditions
    assert len(CONDITIONS) > LOOKS
    assert ask.frames == 7 * (1 + LOOKS)
    assert found.chosen.reviewed.n == ask.frames


def test_test_images_choose_nothing(tmp_path: Path) -> None:
    assert measure_thresholds(exhibits_of(tmp_path), (), "test", Costs(), None, Asked(), stress=False) is None


def test_other_images_may_choose_for_themselves_and_that_is_told(tmp_path: Path) -> None:
    ask = Asked()
    found = measure_thresholds(exhibits_of(tmp_path), (), "all", Costs(), 0.01, ask, stress=True)
    assert found is not None
    assert (found.chosen_by, found.under_conditions, ask.frames) == ("evaluated", False, 0)
    assert found.defect_share == 0.01
