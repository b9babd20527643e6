"""Good steel out of images of defects: the largest windows that no box touches.

For data that has boxes but no class of good product. A model that never saw good steel cannot say PASS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from linecore_models.boxes import Window
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.division import Division

TEACHING_SHARE = 0.32
"""Least side of a window to teach with, as a share of the image's shorter side: 64 of 200 pixels."""

JUDGING_SHARE = 0.44
"""Least side of a window to choose and judge with: 88 of 200 pixels. Small windows, mirrored out, look artificial."""

MARGIN = 3
"""Pixels of the file that are kept clear around a box."""


def with_good_steel(division: Division, pass_label: str, spread: Sequence[str] = ()) -> Division:
    """Add the windows of good steel of each data folder that has boxes and no images of *pass_label*.

    A window belongs to the part of its image, so that nothing that is judged was taught. Images of *spread* labels,
    whose boxes leave out what looks the same, give no window that teaches or chooses: it would teach that the defect is
    good. They are judged all the same.
    """
    images = (*division.train, *division.validation, *division.test)
    served = {image.source for image in images if image.label == pass_label}

    def mined(part: Sequence[LabelledImage], share: float, never: Sequence[str] = spread) -> tuple[LabelledImage, ...]:
        return tuple(
            window
            for image in part
            if image.source not in served and image.label not in never
            for window in mine(image, pass_label, share)
        )

    return Division(
        (*division.train, *mined(division.train, TEACHING_SHARE)),
        (*division.validation, *mined(division.validation, JUDGING_SHARE)),
        (*division.test, *mined(division.test, JUDGING_SHARE, never=())),
    )


def mine(image: LabelledImage, pass_label: str, share: float) -> tuple[LabelledImage, ...]:
    """Return the windows of an image that are free of boxes of any label, the largest first; none overlap.

    Both sides of each have at least *share* of the image's shorter side. An image of a defect without a box tells
    nothing about where it is good, and gives none.

    Raises:
        ConfigError: the image cannot be read.
    """
    if not image.boxes or image.window is not None:
        return ()
    height, width = load_image(image).shape
    taken = [
        Window(
            math.floor(box.x0) - MARGIN,
            math.floor(box.y0) - MARGIN,
            math.ceil(box.x1) + MARGIN,
            math.ceil(box.y1) + MARGIN,
        )
        for box in image.boxes
    ]
    windows: list[Window] = []
    while (window := largest_empty(taken, height, width, round(share * min(height, width)))) is not None:
        windows.append(window)
        taken.append(window)
    return tuple(replace(image, label=pass_label, window=window, boxes=()) for window in windows)


def largest_empty(taken: Sequence[Window], height: int, width: int, least: int) -> Window | None:
    """Return the window of the largest area in a *height* x *width* image that overlaps none of those *taken*.

    Both sides have at least *least* pixels; None where there is no such window. Of equals, the squarest, then the
    leftmost, then the topmost. Exact: a window that cannot grow ends at the image's border or at a taken window on each
    of its sides, so trying these borders is enough.
    """
    found = _maximal(taken, height, width, least)
    return max(
        found, key=lambda one: (one.width * one.height, min(one.width, one.height), -one.x0, -one.y0), default=None
    )


def _maximal(taken: Sequence[Window], height: int, width: int, least: int) -> Iterator[Window]:
    lefts = sorted({0, *(one.x1 for one in taken if 0 < one.x1 < width)})
    rights = sorted({width, *(one.x0 for one in taken if 0 < one.x0 < width)})
    by_height = sorted(taken, key=lambda one: one.y0)
    for left in lefts:
        for right in rights:
            if right - left < max(least, 1):
                continue
            top = 0
            for one in by_height:
                if one.x0 < right and one.x1 > left:
                    if min(one.y0, height) - top >= max(least, 1):
                        yield Window(left, top, right, min(one.y0, height))
                    top = max(top, one.y1)
            if height - top >= max(least, 1):
                yield Window(left, top, right, height)
