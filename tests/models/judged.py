"""Images whose judgement by the tiny bundle can be told by hand, and what `linecore evaluate` makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import cv2

from linecore.inspection import Image
from tests.bundles import spot

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class StandingClock:
    """It is always noon."""

    def now(self) -> datetime:
        """Return noon."""
        return NOW

    def monotonic(self) -> float:
        """Return no time at all."""
        return 0.0


DRAWN: dict[str, list[Image]] = {
    "ok": [spot(128), spot(128)],  # right
    "patches": [spot(0), spot(0, at=(60, 60)), spot(255)],  # right, right, called scratches
    "scratches": [spot(255), spot(128)],  # right, and a defect that nobody can see: an escape
}
BOXES = """image,label,xmin,ymin,xmax,ymax
patches/1.png,patches,145,45,172,72
patches/2.png,patches,47,47,74,74
scratches/1.png,scratches,145,45,172,72
"""


def write_judged(folder: Path, *, good: bool = True) -> Path:
    """Write the images into folders of classes, those of good product only if *good*; return the folder."""
    for label, frames in DRAWN.items():
        if label == "ok" and not good:
            continue
        (folder / label).mkdir(parents=True)
        for number, frame in enumerate(frames, 1):
            cv2.imwrite(str(folder / label / f"{number}.png"), frame)
    return folder


def write_boxes(path: Path) -> Path:
    """Write where the spots are."""
    path.write_text(BOXES)
    return path
