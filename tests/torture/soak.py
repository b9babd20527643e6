"""Most of what a line can do, for long: what it holds of its machine stays as it is.

The capacity is measured first, in the same run: a sender pushes as fast as the line takes it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.torture.feeds import ZmqFeed
from tests.torture.footprint import Footprint, footprint_of, size_of
from tests.torture.notes import Tally
from tests.torture.patience import becomes_true, stands_still
from tests.torture.recorded import History, open_history
from tests.torture.scenario import Progress, silent
from tests.torture.served import BYSTANDERS, ServedLine

SHARE = 0.8  # of the capacity
WARM_UP = 0.2  # of the samples: what is loaded late, caches that fill
GROWTH_MB_MIN = 1.0
SPREAD = 2  # threads or descriptors that may come and go: a connection of SQLite's for a moment
DEEPEST_S = 3.0  # seconds of frames that may wait for a sink at most
FAST = 1e6  # frames a second, which no line takes
STILL_S = 45.0

LINE = """
[line]
name = "tortured"

[decision]
pass_labels = ["ok"]

{source}
[plugins.tflite]
model = "neu"
variant = "int8"

[plugins.gradcam]

[plugins.database]
url = "sqlite:///history.db"

[plugins.witness]
type = "{bystanders}:Witness"
path = "witness.txt"
"""


@dataclass(frozen=True, slots=True)
class SoakCounts:
    """What a line held of its machine, after it had warmed up."""

    minutes: float
    capacity_fps: float
    offered_fps: float
    frames: int
    samples: int
    resident_first_mb: float
    resident_last_mb: float
    resident_growth_mb_min: float  # slope of a straight line through the samples
    threads_least: int
    threads_most: int
    descriptors_least: int
    descriptors_most: int
    state_folder_most_mb: float  # journal and all
    waiting_most: int  # verdicts that were not yet in the history
    lost: int
    twice: int

    @property
    def holds(self) -> bool:
        """Nothing grows, nothing is lost.

        A slope over less than ten minutes says little: then 10 MB in all are allowed.
        """
        allowed = GROWTH_MB_MIN if self.minutes >= 10 else 10 / self.minutes
        flat = self.resident_growth_mb_min < allowed
        steady = max(self.threads_most - self.threads_least, self.descriptors_most - self.descriptors_least) <= SPREAD
        bounded = self.waiting_most <= DEEPEST_S * self.offered_fps
        return flat and steady and bounded and not (self.lost or self.twice)


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float  # seconds
    process: Footprint
    state_mb: float
    waiting: int


def soak(minutes: float, *, every_s: float, measure_s: float, progress: Progress = silent) -> SoakCounts:
    """Measure the capacity for *measure_s* seconds, then take 80 % of it for *minutes*; look every *every_s*."""
    with tempfile.TemporaryDirectory(prefix="torture-soak-") as name:
        folder = Path(name)
        rush = ZmqFeed(folder, FAST, window=64)
        path = folder / "line.toml"
        path.write_text(LINE.format(source=rush.table, bystanders=BYSTANDERS))
        with ServedLine(path) as line, open_history("sqlite:///history.db", folder) as history:
            line.start()
            try:
                capacity = _capacity(rush, measure_s)
            finally:
                rush.end()
            feed = ZmqFeed(folder, SHARE * capacity, window=64, first=rush.added(), address=rush.address)
            try:
                feed.start()
                samples = _watch(line, history, 60 * minutes, every_s, progress)
                feed.stop()
            finally:
                feed.end()
            frames = feed.added()
            stands_still(history.count, frames, STILL_S, 300)
            line.end()
            return _counted(minutes, capacity, frames, samples, history.numbers())


def _capacity(rush: ZmqFeed, seconds: float) -> float:
    """Return how many frames a second a line answers that is offered more than it can take."""
    rush.start()
    assert becomes_true(lambda: rush.answered() > 100, 60), "the line does not come on"
    before, began = rush.answered(), time.monotonic()
    time.sleep(seconds)  # the duration is what is measured over
    answered, took = rush.answered() - before, time.monotonic() - began
    rush.stop()
    return answered / took


def _watch(line: ServedLine, history: History, seconds: float, every_s: float, progress: Progress) -> Sequence[_Sample]:
    reached = Tally(line.folder / "witness.txt")
    began, samples = time.monotonic(), []
    while (at := time.monotonic() - began) < seconds:
        in_history = history.count()  # before the verdicts are counted: what is written meanwhile waits for nobody
        sample = _Sample(
            at, footprint_of(line.pid), size_of(line.folder / ".linecore") / 1e6, reached.count() - in_history
        )
        samples.append(sample)
        progress(int(at), int(seconds), f"{sample.process.resident_mb:.0f} MB, {sample.waiting} waiting")
        time.sleep(every_s)
    return samples


def _counted(
    minutes: float, capacity: float, frames: int, samples: Sequence[_Sample], rows: Sequence[int]
) -> SoakCounts:
    warm = samples[int(WARM_UP * len(samples)) :]
    slope = np.polyfit([one.at / 60 for one in warm], [one.process.resident_mb for one in warm], 1)[0]

    def of(value: Callable[[_Sample], float]) -> list[float]:
        return [value(one) for one in warm]

    threads, descriptors = of(lambda one: one.process.threads), of(lambda one: one.process.descriptors)
    return SoakCounts(
        minutes=minutes,
        capacity_fps=capacity,
        offered_fps=SHARE * capacity,
        frames=frames,
        samples=len(samples),
        resident_first_mb=warm[0].process.resident_mb,
        resident_last_mb=warm[-1].process.resident_mb,
        resident_growth_mb_min=float(slope),
        threads_least=int(min(threads)),
        threads_most=int(max(threads)),
        descriptors_least=int(min(descriptors)),
        descriptors_most=int(max(descriptors)),
        state_folder_most_mb=max(of(lambda one: one.state_mb)),
        waiting_most=int(max(of(lambda one: one.waiting))),
        lost=len(set(range(frames)).difference(rows)),
        twice=len(rows) - len(set(rows)),
    )


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], SoakCounts]]:
    """Soak for half an hour, or for twenty seconds."""
    minutes, every_s, measure_s = (1 / 3, 0.5, 3) if quick else (30, 5, 30)
    return [partial(soak, minutes, every_s=every_s, measure_s=measure_s, progress=progress)]
