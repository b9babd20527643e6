"""Chooses from which heat on a pixel belongs to a defect: on validation images whose defects are boxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linecore.inspection import FloatArray
from linecore_models.boxes import Mask
from linecore_models.faithfulness import iou
from linecore_models.heatmap import heatmap, segment

CANDIDATES = tuple(round(0.01 * step, 2) for step in (*range(1, 30), *range(30, 92, 2)))
"""Shares of the hottest point; finer where a box loss puts the border, near where the evidence ends."""


@dataclass(frozen=True, slots=True)
class RegionThreshold:
    """From which share of the hottest point on a pixel belongs to a region, and how well such regions fit."""

    share: float
    iou: float  # of the regions' pixels with the merged boxes: mean over the images of a label, then over the labels


def choose_threshold(
    class_maps: Sequence[FloatArray],
    truths: Sequence[Mask],
    labels: Sequence[str],
    candidates: Sequence[float] = CANDIDATES,
) -> RegionThreshold:
    """Return the candidate of the highest mean IoU; the highest of several, which shows least that is no defect.

    *class_maps* (h x w) are those of the images' true *labels*, *truths* (HxW, of the image's size) the masks of the
    label's merged boxes. There must be one image at least. Each label counts as much as any other.
    """
    members = {label: [n for n, one in enumerate(labels) if one == label] for label in dict.fromkeys(labels)}
    fits = np.array([_fits(*pair, candidates) for pair in zip(class_maps, truths, strict=True)])
    mean = np.mean([fits[numbers].mean(axis=0) for numbers in members.values()], axis=0)
    best = max(range(len(candidates)), key=lambda index: (mean[index], candidates[index]))
    return RegionThreshold(candidates[best], float(mean[best]))


def _fits(class_map: FloatArray, truth: Mask, candidates: Sequence[float]) -> list[float]:
    heat = heatmap(class_map, truth.shape)
    return [iou(segment(heat, share)[1] > 0, truth) for share in candidates]
