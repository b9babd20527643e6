"""How faithful heat maps are: whether they lie where the defects are.

A heat map is measured as serving shows it, at the image's own size, against the true boxes of the label that it
explains, merged into one mask. A label that no box of the image carries is explained wrongly, and counts as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal

import cv2
import numpy as np

from linecore.errors import ConfigError
from linecore.inspection import FloatArray, Region
from linecore_models.boxes import Box, Mask, label_mask
from linecore_models.dataset import LabelledImage, label_indices, load_image
from linecore_models.heatmap import REGION_THRESHOLD, heatmap, segment

Explained = Literal["answered", "true"]
"""Which label's heat map is measured: the one that the model answers, as on a line, or the true one."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """How well a heat map points, or several on average; all from 0 to 1."""

    hit: float  # pointing game: 1 where the hottest pixel lies in a true box
    energy: float  # share of the heat that lies in the true boxes
    mask_iou: float  # intersection over union of the regions' pixels and the true boxes
    box_iou: float  # of the regions' boxes, merged, and the true boxes
    chance: float  # share of the image that the true boxes cover: what even heat gets for hit and energy


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How well heat maps point: on average for each true label, and the mean over the labels."""

    explained: Explained
    tolerance: int  # pixels that the hottest one may lie beside a box
    images: dict[str, int]  # true label -> images with boxes
    labels: dict[str, Pointed]  # true label -> mean over its images
    mean: Pointed  # over the labels, each counted once
    hits: int  # images, of all labels, whose hottest pixel lies in a true box


def measure_faithfulness(
    images: Sequence[LabelledImage],
    scores: FloatArray,
    class_maps: FloatArray,
    labels: Sequence[str],
    *,
    threshold: float = REGION_THRESHOLD,
    explained: Explained = "answered",
    tolerance: int = 0,
) -> Faithfulness:
    """Measure the heat maps of those *images* that have boxes; the others are left out.

    *scores* (N x labels) and *class_maps* (N x h x w x labels) are the model's answers to all *images*, *threshold* its
    ``region_threshold`` in model.json.

    Raises:
        ConfigError: none of the images has a box, or one cannot be read.
    """
    boxed = [number for number, image in enumerate(images) if image.boxes]
    if not boxed:
        raise ConfigError("none of the images has a box; name a file of boxes that belongs to these images")
    chosen = scores.argmax(axis=1) if explained == "answered" else label_indices(images, labels)
    pointed = []
    for number in boxed:
        height, width = load_image(images[number]).shape
        truth = label_mask(images[number].boxes or (), labels[chosen[number]], height, width)
        heat = heatmap(class_maps[number, ..., chosen[number]], (height, width))
        pointed.append(point(heat, truth, threshold, tolerance=tolerance))
    return _summed_up([images[number].label for number in boxed], pointed, explained, tolerance)


def point(heat: FloatArray, truth: Mask, threshold: float, *, tolerance: int = 0) -> Pointed:
    """Measure one heat map (HxW, 0..1) and its regions against the *truth*, the mask of the merged boxes (HxW)."""
    found, mask = segment(heat, threshold)
    return Pointed(
        float(points(heat, truth, tolerance)),
        energy_inside(heat, truth),
        iou(mask > 0, truth),
        iou(merged(found, truth.shape), truth),
        float(truth.mean()),
    )


def points(heat: FloatArray, truth: Mask, tolerance: int = 0) -> bool:
    """Say whether the hottest pixel lies in *truth*, or no more than *tolerance* pixels beside it.

    The pointing game (Zhang et al. 2016, https://arxiv.org/abs/1608.00507), where 15 px are common for photographs of
    500 px. A map without heat points nowhere. Of several hottest pixels the first in reading order counts.
    """
    if not heat.any():
        return False
    if tolerance:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1, 2 * tolerance + 1))
        truth = cv2.dilate(truth.astype(np.uint8), disc) > 0
    return bool(truth.ravel()[heat.argmax()])


def energy_inside(heat: FloatArray, truth: Mask) -> float:
    """Return the share of the heat that lies in *truth*; 0 where there is no heat.

    The energy-based pointing game (Wang et al. 2020, https://arxiv.org/abs/1910.01279).
    """
    total = float(heat.sum(dtype=np.float64))
    return float(heat[truth].sum(dtype=np.float64)) / total if total > 0 else 0.0


def iou(one: Mask, other: Mask) -> float:
    """Return intersection over union of two masks; 0 where both are empty, for nothing was found."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def merged(regions: Sequence[Region], shape: tuple[int, ...]) -> Mask:
    """Return which pixels of an image of *shape* lie in the box of a region."""
    boxes = [Box(*region.box, label="") for region in regions]
    return label_mask(boxes, None, shape[0], shape[1])


def _summed_up(truths: Sequence[str], pointed: Sequence[Pointed], explained: Explained, tolerance: int) -> Faithfulness:
    of_label: dict[str, list[Pointed]] = {}
    for truth, one in sorted(zip(truths, pointed, strict=True), key=lambda pair: pair[0]):
        of_label.setdefault(truth, []).append(one)
    labels = {label: _mean(ones) for label, ones in of_label.items()}
    return Faithfulness(
        explained,
        tolerance,
        {label: len(ones) for label, ones in of_label.items()},
        labels,
        _mean(list(labels.values())),
        sum(one.hit == 1 for one in pointed),
    )


def _mean(pointed: Sequence[Pointed]) -> Pointed:
    return Pointed(*(float(value) for value in np.mean([astuple(one) for one in pointed], axis=0)))
