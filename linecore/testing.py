"""For plugin authors: small real plugins around the one that is tested, and a way to run the line they make.

::

    sink = MySink(MySink.Config(path=tmp_path / "out.csv"))
    line = make_line({"frames": Images([grey()]), "judge": Always("scratches"), "mine": sink})
    run(line)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Condition
from threading import Event as Flag

import numpy as np

from linecore.alarms import Alarm, AlarmRule
from linecore.clock import Clock
from linecore.config import LineSettings
from linecore.decision import DecisionRules
from linecore.events import Event
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Frame, Image, Inspection, ModelId
from linecore.ledger import Balance, Outcome
from linecore.line import Line
from linecore.log import LogEntry

PATIENCE_S = 20.0  # how long a test waits for what must happen; far more than it takes, so that only a fault reaches it


def grey(value: int = 128, height: int = 32, width: int = 32) -> Image:
    """Return a plain image, uint8 height x width."""
    return np.full((height, width), value, np.uint8)


class Images:
    """A source of given images, uint8, or of encoded files, bytes; keeps what was settled and how."""

    def __init__(self, images: Sequence[Image | bytes], keys: Sequence[str] | None = None) -> None:
        self.settled: dict[str, Outcome] = {}
        self._images = images
        self._keys = keys or [str(number) for number in range(len(images))]
        self._line: Line
        self._changed = Condition()

    @hookimpl
    def start(self, line: Line) -> None:
        """Keep the line, which makes the frames."""
        self._line = line

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield each image once."""
        for key, image in zip(self._keys, self._images, strict=True):
            if stopping.is_set():
                return
            if isinstance(image, bytes):
                yield self._line.frame(self, key, encoded=image)
            else:
                yield self._line.frame(self, key, image=image)

    @hookimpl
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        """Remember how the frame ended."""
        with self._changed:
            self.settled[frame.id] = outcome
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Images], bool]) -> None:
        """Wait until *condition* holds of this source; an AssertionError says that it did not come true."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE_S), "waited in vain for the source"


class Always:
    """A classifier that answers the same for every frame."""

    def __init__(self, label: str = "scratches", confidence: float = 0.99, novelty: float | None = None) -> None:
        self._classification = Classification(
            label,
            confidence,
            {label: confidence, "other": 1 - confidence},
            ModelId("always", "1", "0" * 64),
            novelty,
            {label: np.pad(np.ones((1, 1), np.float32), 1)},
        )

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        """Answer."""
        return self._classification


class Recorder:
    """A sink that keeps everything in memory, and can be waited for."""

    def __init__(self) -> None:
        self.inspections: list[Inspection] = []
        self.alarms: list[Alarm] = []
        self.entries: list[LogEntry] = []
        self._changed = Condition()

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Keep a batch."""
        with self._changed:
            self.inspections += inspections
            self._changed.notify_all()

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Keep an alarm's change."""
        with self._changed:
            self.alarms.append(alarm)
            self._changed.notify_all()

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        """Keep a batch of log entries."""
        with self._changed:
            self.entries += entries
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Recorder], bool]) -> None:
        """Wait until *condition* holds of this sink; an AssertionError says that it did not come true."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE_S), "waited in vain for the sink"


class Listener:
    """Keeps every event of a line, and can be waited for."""

    def __init__(self, line: Line) -> None:
        self.events: list[Event] = []
        self._changed = Condition()
        line.bus.subscribe(Event, self._keep)

    def of(self, *kinds: type[Event]) -> list[Event]:
        """Return the events of these kinds, oldest first."""
        with self._changed:
            return [event for event in self.events if isinstance(event, kinds)]

    def wait_for(self, kind: type[Event], count: int = 1) -> list[Event]:
        """Wait until *count* events of a kind have happened, and return them."""
        with self._changed:
            happened = self._changed.wait_for(lambda: len(self._kept(kind)) >= count, PATIENCE_S)
            assert happened, f"waited in vain for {count} {kind.__name__}, saw {len(self._kept(kind))}"
            return self._kept(kind)

    def _kept(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def _keep(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


def make_line(
    plugins: Mapping[str, object],
    *,
    folder: Path | None = None,
    rules: DecisionRules | None = None,
    alarms: Sequence[AlarmRule] = (),
    settings: LineSettings | None = None,
    clock: Clock | None = None,
) -> Line:
    """Make a line called "test" of *plugins*."""
    settings = settings or LineSettings(name="test")
    return Line(settings, plugins, rules=rules, alarms=alarms, folder=folder, clock=clock)


def run(line: Line) -> Balance:
    """Run a line until its sources are dry and everything is delivered; return its last balance."""
    line.start()
    try:
        assert line.exhausted.wait(PATIENCE_S), "the sources did not run dry"
    finally:
        balance = line.stop()
    return balance
