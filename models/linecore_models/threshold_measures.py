"""At which confidence a person should be asked, as metrics.json tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from linecore.inspection import FloatArray
from linecore_models.answers import Ask
from linecore_models.dataset import LabelledImage, label_indices, load_squares
from linecore_models.evaluation import Indices
from linecore_models.exhibits import Exhibits
from linecore_models.manifest import Manifest
from linecore_models.measurements import Part, Proportion, ThresholdPoint, Thresholds
from linecore_models.stress import looks
from linecore_models.thresholds import Costs, OperatingPoint, choose_thresholds


def measure_thresholds(
    exhibits: Exhibits,
    validation: Sequence[LabelledImage],
    part: Part,
    costs: Costs,
    defect_share: float | None,
    ask: Ask,
    *,
    stress: bool,
) -> Thresholds | None:
    """Choose thresholds by the *validation* images, and try them on the evaluated ones.

    Without validation images the evaluated ones choose, unless they are the test images, which never choose: then
    nothing is (None). With *stress* the choosing frames come under line conditions, too, for most mistakes are made
    there.

    Raises:
        ConfigError: an image cannot be read, or the share is none.
    """
    manifest = exhibits.manifest
    evaluated = _evaluated(exhibits)
    chosen_by: Literal["validation", "evaluated"] = "validation"
    if part != "validation" and validation:
        choosing = _asked(validation, manifest, ask, stress=stress)
    elif part == "test":
        return None
    else:
        choosing, chosen_by, stress = evaluated, "evaluated", False

    labels, passes = manifest.labels, manifest.pass_labels
    choice = choose_thresholds(*choosing, labels, passes, costs, defect_share=defect_share)
    trial = choose_thresholds(*evaluated, labels, passes, costs, defect_share=defect_share)
    tried = next(point for point in trial.curve if point.min_confidence == choice.chosen.min_confidence)
    return Thresholds(
        escape_cost=costs.escape,
        overkill_cost=costs.overkill,
        review_cost=costs.review,
        defect_share=defect_share,
        chosen_by=chosen_by,
        under_conditions=stress,
        chosen=_point(choice.chosen),
        stricter_pass=_point(choice.stricter_pass),
        tried=_point(tried),
        curve=tuple(map(_point, choice.curve)),
    )


def _evaluated(exhibits: Exhibits) -> tuple[FloatArray, Indices]:
    """Return scores and truth of the evaluated frames, and of the windows of good steel among them."""
    if exhibits.window_answers is None:
        return exhibits.answers.scores, exhibits.truth
    scores = np.concatenate([exhibits.answers.scores, exhibits.window_answers.scores])
    return scores, np.concatenate([exhibits.truth, label_indices(exhibits.windows, exhibits.manifest.labels)])


def _asked(
    images: Sequence[LabelledImage], manifest: Manifest, ask: Ask, *, stress: bool
) -> tuple[FloatArray, Indices]:
    if stress:
        squares, truth = looks(images, manifest, 0)
    else:
        squares = load_squares(images, manifest.preprocessing)
        truth = label_indices(images, manifest.labels)
    return ask(squares).scores, truth


def _point(point: OperatingPoint) -> ThresholdPoint:
    return ThresholdPoint(
        min_confidence=point.min_confidence,
        min_pass_confidence=point.min_pass_confidence,
        escapes=Proportion.of(point.escapes, point.defects) if point.defects else None,
        overkill=Proportion.of(point.overkill, point.good) if point.good else None,
        reviewed=Proportion.of(point.reviewed, point.defects + point.good),
        cost=point.cost,
    )
