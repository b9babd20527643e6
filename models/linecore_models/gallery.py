"""Which frames a report shows, and what it says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linecore.errors import ConfigError
from linecore.inspection import FloatArray
from linecore_models.answers import Answers
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.drawing import data_uri, explained, scaled
from linecore_models.exhibits import Exhibits
from linecore_models.heatmap import heatmap, segment
from linecore_models.measurements import FrameAnswer, Outcome

WORST = 24
OVERKILLED = 24
SNAPSHOTS = 12
SNAPSHOT_SIDE = 150  # pixels


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One frame of a report."""

    name: str
    answer: str
    outcome: Outcome
    said: str
    detail: str
    picture: str  # data URI
    width: int  # pixels
    height: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A small picture of an image file."""

    name: str
    picture: str  # data URI; empty where the file cannot be read
    width: int  # pixels
    height: int


def worst(frames: Sequence[FrameAnswer], exhibits: Exhibits, limit: int = WORST) -> list[Exhibit]:
    """Return the frames that were judged wrongly, in the order of metrics.json: the worst first."""
    wrong = [frame for frame in frames if frame.outcome != "right"][:limit]
    place = {image.name: index for index, image in enumerate(exhibits.images)}
    return [_exhibit(exhibits, exhibits.images, exhibits.answers, place[frame.name], frame.outcome) for frame in wrong]


def typical(frames: Sequence[FrameAnswer], exhibits: Exhibits) -> list[Exhibit]:
    """Return, for each label, the rightly judged frame of the highest loss, and that of the median loss."""
    place = {image.name: index for index, image in enumerate(exhibits.images)}
    shown = []
    for label in exhibits.manifest.labels:
        right = [frame for frame in frames if frame.truth == label and frame.outcome == "right"]
        for frame in [right[0], right[len(right) // 2]] if len(right) > 1 else right:
            shown.append(_exhibit(exhibits, exhibits.images, exhibits.answers, place[frame.name], "right"))
    return shown


def overkilled(exhibits: Exhibits, limit: int = OVERKILLED) -> list[Exhibit]:
    """Return the windows that no box touches and that are called a defect, the surest first."""
    answers = exhibits.window_answers
    if answers is None:
        return []
    rejected: list[int] = np.flatnonzero(exhibits.windows_rejected).tolist()
    rejected.sort(key=lambda index: -float(answers.scores[index].max()))
    return [_exhibit(exhibits, exhibits.windows, answers, index, "overkill") for index in rejected[:limit]]


def snapshots(names: Sequence[str], exhibits: Exhibits, limit: int = SNAPSHOTS) -> list[Snapshot]:
    """Return small pictures of the first of the images that are called so; without one where a file cannot be read."""
    known = {image.name: image for image in exhibits.data}
    return [_snapshot(known[name]) for name in names[:limit]]


def _snapshot(image: LabelledImage) -> Snapshot:
    try:
        picture = scaled(load_image(image), SNAPSHOT_SIDE)
    except ConfigError:
        return Snapshot(image.name, "", 0, 0)
    return Snapshot(image.name, data_uri(picture), picture.shape[1], picture.shape[0])


def _exhibit(
    exhibits: Exhibits, images: Sequence[LabelledImage], answers: Answers, index: int, outcome: Outcome
) -> Exhibit:
    image, scores, labels = images[index], answers.scores[index], exhibits.manifest.labels
    answer = int(scores.argmax())
    pixels = load_image(image)
    heat = heatmap(answers.class_maps[index, :, :, answer], pixels.shape)
    regions, _ = segment(heat, exhibits.region_threshold)
    picture = explained(pixels, image.boxes or (), heat, regions)
    return Exhibit(
        name=image.name,
        answer=labels[answer],
        outcome=outcome,
        said=_said(image.label, labels[answer], outcome),
        detail=_detail(scores, labels, image.label),
        picture=data_uri(picture),
        width=picture.shape[1],
        height=picture.shape[0],
    )


def _said(truth: str, answer: str, outcome: Outcome) -> str:
    if outcome == "right":
        return answer
    kind = {"escape": "Escape: ", "overkill": "Overkill: ", "wrong": ""}[outcome]
    return f"{kind}{truth} called {answer}"


def _detail(scores: FloatArray, labels: Sequence[str], truth: str) -> str:
    first, second = np.argsort(-scores)[:2].tolist()
    if labels[first] != truth and truth in labels:
        return f"{scores[first]:.1%} sure; {truth} had {scores[labels.index(truth)]:.1%}"
    return f"{scores[first]:.1%} sure; next {labels[second]} {scores[second]:.1%}"
