"""From a class map to a heat map of the frame, and from a heat map to the regions that are hot and their mask."""

from __future__ import annotations

import cv2
import numpy as np

from linecore.inspection import FloatArray, Image, Region

MIN_AREA = 16
"""Pixels of the frame: what is smaller is no region, unless somebody wants it so."""

REGION_THRESHOLD = 0.5
"""Share of the hottest point from which on a pixel belongs to a region, where a model has not measured a better one."""


def heatmap(class_map: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the evidence for a label over a frame: float32, *shape* (height, width, ...), in 0..1, hottest point 1.

    *class_map* (h x w) is what Grad-CAM sums up before it rectifies (Selvaraju et al. 2017, equation 2). Where a logit
    is the mean of a map, that sum at the map's own layer is the map itself, but for a constant that the scaling takes
    out, so no gradient is needed. It is enlarged before it is rectified: of a map that has signs, the heat then ends
    where they change, not up to a cell beyond. All zero where nothing speaks for the label.
    """
    hot = np.maximum(_enlarged(class_map, shape), 0, dtype=np.float32)
    if not hot.any():
        # One hot cell among very cold ones may drown when it is enlarged. It is evidence all the same.
        hot = _enlarged(np.maximum(class_map, 0, dtype=np.float32), shape)
    peak = float(hot.max())
    # Below the least normal float32 the quotient is rounding noise.
    return (hot / peak).astype(np.float32) if peak > np.finfo(np.float32).tiny else np.zeros_like(hot)


def segment(
    heatmap: FloatArray, threshold: float = REGION_THRESHOLD, min_area: int = MIN_AREA
) -> tuple[tuple[Region, ...], Image]:
    """Return the connected parts of *heatmap* that reach *threshold* times its peak, hottest first, and their mask.

    The mask is uint8 of the heat map's shape: 255 where a pixel belongs to a region, else 0. Parts that touch at a
    corner are one; those of fewer than *min_area* pixels are left out of both.
    """
    peak = float(heatmap.max()) if heatmap.size else 0.0
    if peak <= 0:
        return (), np.zeros(heatmap.shape, np.uint8)
    hot = (heatmap >= threshold * peak).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(hot, connectivity=8)
    # One pass over the pixels for all parts together, however many there are.
    heat = np.bincount(labels.ravel(), weights=heatmap.ravel(), minlength=count)
    kept = np.zeros(count, np.uint8)
    found = []
    for part in range(1, count):  # part 0 is what is not hot
        x, y, width, height, area = (int(value) for value in stats[part])
        if area >= min_area:
            kept[part] = 255
            found.append(Region((x, y, x + width, y + height), area, min(float(heat[part] / area), 1.0)))
    return tuple(sorted(found, key=lambda region: region.score, reverse=True)), kept[labels]


def _enlarged(class_map: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    height, width = shape[:2]
    return np.asarray(
        cv2.resize(class_map.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )
