"""Journals, lanes and sinks for the tests of those: real files, real threads, no line around them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

from linecore.alarms import Alarm
from linecore.bus import Bus
from linecore.clock import SystemClock
from linecore.events import Event
from linecore.inspection import Inspection
from linecore.intake import Arrival
from linecore.journal import Journal
from linecore.journal_settings import JournalSettings
from linecore.lanes import Lane, LaneLimits
from linecore.log import LogEntry
from linecore.packing import KINDS, Delivery, Kind
from linecore.testing import PATIENCE_S
from tests.plugins.inspections import NOON

MEGABYTE = 1024 * 1024


def entry(number: int) -> LogEntry:
    """Return a log entry."""
    return LogEntry(
        f"line-1/log/{number}", "line-1", NOON, "frame dropped", f"dropped {number}", "folder", {"n": number}
    )


class Told:
    """Takes note of what a journal tells, and can be waited for."""

    def __init__(self) -> None:
        self.settled: list[str] = []
        self.troubles: list[tuple[str, str | None]] = []
        self.changed = Condition()

    def settle(self, arrival: Arrival) -> None:
        """A frame is safe."""
        with self.changed:
            self.settled.append(arrival.frame.id)
            self.changed.notify_all()

    def trouble(self, name: str, sentence: str | None) -> None:
        """Something is wrong, or over."""
        with self.changed:
            self.troubles.append((name, sentence))
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[Told], bool]) -> None:
        """Wait until *condition* holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), PATIENCE_S), (self.settled, self.troubles)


@contextmanager
def journal_at(
    path: Path | None,
    told: Told | None = None,
    *,
    settings: JournalSettings | None = None,
    memory_bytes: int = 64 * MEGABYTE,
    captured: Callable[[], Mapping[str, int]] = dict,
) -> Iterator[Journal]:
    """A journal that is not yet started, and is closed at the end."""
    told = told or Told()
    journal = Journal(
        path,
        settings=settings or JournalSettings(),
        memory_bytes=memory_bytes,
        clock=SystemClock(),
        settle=told.settle,
        trouble=told.trouble,
        captured=captured,
    )
    try:
        yield journal
    finally:
        journal.close(PATIENCE_S)


def put(journal: Journal, inspection: Inspection) -> None:
    """Append an inspection as a line does."""
    arrival = Arrival(inspection.frame, 0.0, inspection.frame.source)
    journal.append(inspection, arrival=arrival, counts_as=(inspection.frame.source, ""))


class Held:
    """A lane that keeps what it is offered, and passes it when it is told to."""

    def __init__(self, name: str, takes: Sequence[Kind] = KINDS, *, pixels: bool = True) -> None:
        self.name = name
        self.takes = frozenset(takes)
        self.cursor = self.last = self.owed = 0
        self.offered: list[tuple[int, Delivery]] = []
        self.gone: list[tuple[int, str]] = []
        self.changed = Condition()
        self._pixels = pixels

    def begin(self, cursor: int, last: int, owed: int) -> None:
        """Learn where it is."""
        self.cursor, self.last, self.owed = cursor, last, owed

    def wants_pixels(self, inspection: Inspection) -> bool:
        """Say whether pictures are kept."""
        return self._pixels

    def offer(self, seq: int, delivery: Delivery) -> None:
        """Keep a delivery."""
        with self.changed:
            self.offered.append((seq, delivery))
            self.changed.notify_all()

    def let_go(self, seq: int, reason: str) -> None:
        """Give up what is old."""
        with self.changed:
            self.cursor = max(self.cursor, seq)
            self.gone.append((seq, reason))
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[Held], bool]) -> None:
        """Wait until *condition* holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), PATIENCE_S), self.offered


class Took:
    """A sink that does what it is told with each batch, and keeps what it took."""

    def __init__(self, takes: Sequence[Kind] = KINDS, *, pixels: bool = True) -> None:
        self.takes = frozenset(takes)
        self.pixels = pixels
        self.names_evidence = False
        self.batches: list[list[str]] = []
        self.inspections: list[Inspection] = []
        self.before: Callable[[list[str]], object] = lambda _batch: None
        self.changed = Condition()

    @property
    def taken(self) -> list[str]:
        """The ids of everything that it took, in order."""
        return [one for batch in self.batches for one in batch]

    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch."""
        self._take([one.frame.id for one in inspections])
        self.inspections += inspections

    def notify(self, alarm: Alarm) -> None:
        """Tell of an alarm."""
        self._take([alarm.id])

    def log(self, entries: Sequence[LogEntry]) -> None:
        """Store log entries."""
        self._take([one.id for one in entries])

    def wait_for(self, condition: Callable[[Took], bool]) -> None:
        """Wait until *condition* holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), PATIENCE_S), self.batches

    def _take(self, batch: list[str]) -> None:
        self.before(batch)
        with self.changed:
            self.batches.append(batch)
            self.changed.notify_all()


class Events:
    """Keeps the events of a bus, and can be waited for."""

    def __init__(self) -> None:
        self.bus, self.all = Bus(), list[Event]()
        self.changed = Condition()
        self.bus.subscribe(Event, self._keep)

    def of(self, *kinds: type[Event]) -> list[Event]:
        """Return the events of these kinds."""
        with self.changed:
            return [event for event in self.all if isinstance(event, kinds)]

    def wait_for(self, kind: type[Event], count: int = 1) -> None:
        """Wait until *count* events of a kind have happened."""
        with self.changed:
            happened = self.changed.wait_for(
                lambda: sum(isinstance(one, kind) for one in self.all) >= count, PATIENCE_S
            )
            assert happened, self.all

    def _keep(self, event: Event) -> None:
        with self.changed:
            self.all.append(event)
            self.changed.notify_all()


@contextmanager
def lane_to(
    sink: Took, journal: Journal, events: Events | None = None, told: Told | None = None, **limits: float
) -> Iterator[Lane]:
    """A lane called "sink" that is started and closed; what is not delivered by then is left."""
    lane = Lane(
        "sink",
        sink,
        limits=LaneLimits(**limits),  # type: ignore[arg-type]  # whole numbers are whole
        bus=(events or Events()).bus,
        clock=SystemClock(),
        journal=journal,
        trouble=(told or Told()).trouble,
    )
    lane.start()
    try:
        yield lane
    finally:
        lane.close()
        lane.join(PATIENCE_S)


def copied(path: Path, to: Path) -> sqlite3.Connection:
    """Open a copy of a journal that is still open: what a kill at this moment would leave."""
    to.mkdir()
    for ending in ("", "-wal"):
        part = path.with_name(path.name + ending)
        if part.exists():
            (to / part.name).write_bytes(part.read_bytes())
    return sqlite3.connect(to / path.name)
