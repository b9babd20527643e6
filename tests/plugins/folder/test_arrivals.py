"""A file waits until nobody has changed it for a while; a held clock says how long that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from linecore_plugins.folder.arrivals import Arrivals
from linecore_plugins.folder.files import ImageFile

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@dataclass
class HeldClock:
    passed: float = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


def image_file(size: int = 1, *, age_s: float = 0.0) -> ImageFile:
    return ImageFile(Path("/in"), "a.png", size, 0, NOON.timestamp() - age_s)


def test_a_file_is_complete_once_it_has_not_changed_for_long_enough() -> None:
    clock = HeldClock()
    arrivals = Arrivals(0.5, clock)
    arrivals.note([image_file(size=1)])
    clock.passed = 0.4
    assert arrivals.take_complete() == []
    arrivals.note([image_file(size=2)])  # somebody has written on
    clock.passed = 0.8
    arrivals.note([image_file(size=2)])  # told again, and nothing new
    assert arrivals.take_complete() == []
    clock.passed = 0.9
    assert arrivals.take_complete() == [image_file(size=2)]
    assert len(arrivals) == 0


def test_a_file_that_has_lain_there_for_long_does_not_wait() -> None:
    arrivals = Arrivals(0.5, HeldClock())
    young, old = image_file(age_s=30), replace(image_file(age_s=90), relative="b.png")
    arrivals.note([young, old])
    assert arrivals.take_complete() == [old]
