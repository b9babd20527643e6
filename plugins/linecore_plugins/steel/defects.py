"""Defects on a surface: what, how many and where, with the boxes that tell the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from linecore.inspection import Box, FloatArray
from linecore_plugins.steel import marks
from linecore_plugins.steel.marks import Ground, Mark

VISIBLE = 0.3  # share of the strongest cover from which a pixel belongs to the defect's box
MARGIN = 2  # pixels that a box leaves around the defect, as a person would draw it
APART = 4  # pixels between two boxes

Drawer = Callable[[np.random.Generator, Ground], Mark]

DRAWERS: Mapping[str, Drawer] = MappingProxyType(
    {
        "crazing": marks.crazing,
        "inclusion": marks.inclusion,
        "patches": marks.patches,
        "pitted_surface": marks.pitted_surface,
        "rolled-in_scale": marks.rolled_in_scale,
        "scratches": marks.scratches,
    }
)

MANY: Mapping[str, tuple[float, float, float]] = MappingProxyType(  # how often one, two or three on a frame
    {
        "crazing": (0.8, 0.2, 0.0),
        "inclusion": (0.4, 0.4, 0.2),
        "patches": (0.4, 0.35, 0.25),
        "pitted_surface": (0.7, 0.3, 0.0),
        "rolled-in_scale": (0.6, 0.3, 0.1),
        "scratches": (0.4, 0.35, 0.25),
    }
)


def draw_defects(rng: np.random.Generator, surface: FloatArray, label: str, ground: Ground) -> tuple[Box, ...]:
    """Draw one to three defects of one kind into *surface* (grey levels, HxW) and return their boxes.

    Each lies wholly on the surface, and no two boxes overlap; where there is no room for another there is one less.
    """
    ground = replace(ground, lean=rng.random())
    boxes: list[Box] = []
    for _ in range(1 + rng.choice(3, p=MANY[label])):
        mark = DRAWERS[label](rng, ground)
        (height, width), (h, w) = surface.shape, mark.cover.shape
        visible = _box(mark.cover > VISIBLE * mark.cover.max())
        for _ in range(12):
            y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
            x0, y0 = max(visible[0] + x - MARGIN, 0), max(visible[1] + y - MARGIN, 0)
            box = x0, y0, min(visible[2] + x + MARGIN, width), min(visible[3] + y + MARGIN, height)
            if all(_apart(box, other) for other in boxes):
                surface[y : y + h, x : x + w] *= 1 + mark.change
                boxes.append(box)
                break
    return tuple(boxes)


def _box(mask: npt.NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _apart(a: Box, b: Box) -> bool:
    return a[2] + APART <= b[0] or b[2] + APART <= a[0] or a[3] + APART <= b[1] or b[3] + APART <= a[1]
