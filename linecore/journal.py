"""The journal: what has been decided and not yet delivered to every sink; it survives ``kill -9`` and loss of power.

One thread owns the file. It takes what the workers append, writes all that has come together in one transaction (group
commit: Gray and Reuter, "Transaction Processing", 1993), and only then tells the sources that their frames are safe and
hands the deliveries to the lanes. Each lane strikes off what its sink has taken by moving a cursor; what every lane has
passed is removed.

While the file cannot be written (a full disk), deliveries go to the lanes all the same, and a frame is safe once every
sink holds it; what is left when the disk has room again is written then. Nothing is let go but what exceeds the limits,
and an alarm is raised long before.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from linecore.captured import CapturedCounts
from linecore.clock import Clock
from linecore.inspection import Inspection
from linecore.intake import Arrival
from linecore.journal_file import REMEMBERED, DeadLetter, Entry, JournalFile
from linecore.journal_limits import JournalLimits
from linecore.journal_settings import JournalSettings
from linecore.ledger import COUNTED_AS_RECORDED, Balance, balances
from linecore.log import LogEntry
from linecore.packing import INSPECTION, KINDS, Delivery, Kind, Packed, kind_of, name_of, pack, storable, weight_of
from linecore.turns import own_work
from linecore.waiting import Held, JournalLane, Waiting, packed, unpacked

logger = logging.getLogger(__name__)

BATCH = 200  # deliveries in one transaction at most
BATCH_BYTES = 32 * 1024 * 1024
FLUSH_S = 0.25  # how long a moved cursor waits for company before it is written
RETRY_S, LAST_RETRY_S = 0.5, 5.0  # between attempts to write a file that could not be written


@dataclass(frozen=True, slots=True)
class JournalState:
    """How the journal is, for a person."""

    entries: int  # that wait for a sink, on disk
    bytes: int
    oldest_s: float  # age of the oldest; 0.0 without any
    unwritten: int  # that wait for the disk
    trouble: str | None  # why it cannot be written; None while it can


class Journal:
    """Owns the journal's file; *path* None keeps it in memory.

    *settle* is called, in the journal's thread, with each arrival whose inspection is safe; it must not wait. *trouble*
    is told what is wrong (a name and a sentence), and None for the sentence when it is over.

    Raises:
        sqlite3.Error: the file cannot be opened.
        OSError: its folder cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        settings: JournalSettings,
        memory_bytes: int,
        clock: Clock,
        settle: Callable[[Arrival], None],
        trouble: Callable[[str, str | None], None],
        captured: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.file = JournalFile(path)
        self._limits = JournalLimits(settings, self.file, clock, trouble)
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._settle = settle
        self._trouble = trouble
        self._captured = captured
        self._changed = Condition()
        self._waiting: deque[Waiting] = deque()  # not yet on disk
        self._waiting_bytes = 0
        self._seq = self._written_seq = self.file.last_seq()  # of the newest delivery, and of the newest on disk
        self._settled = OrderedDict.fromkeys(self.file.settled())
        self._lanes: dict[str, JournalLane] = {}
        self._cursors = self.file.cursors()
        self._entries, self._bytes = self.file.size()
        self._oldest = self.file.oldest()
        self._outcomes: Counter[tuple[str, str]] = Counter()  # of frames that never reached the file
        self._uncounted = CapturedCounts(None if path is None else path.parent / "uncounted")  # the recorded among them
        self._held: list[Held] = []
        self.before: Mapping[str, Balance] = {}  # of each source, when this run began
        self._buried: deque[tuple[str, float, int, str, Packed, int]] = deque()
        self._gone: set[str] = set()  # sinks whose cursors are to be forgotten
        self._moved = False
        self._closing = False
        self._flush_now = False
        self._telling = False  # a batch is written, and lanes and sources are about to hear of it
        self._broken: str | None = None
        self._retry_s = RETRY_S
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    # Before and after

    def add_lane(self, lane: JournalLane) -> None:
        """Keep deliveries for a sink, and tell its lane where it begins.

        A sink that the journal knows goes on where it was; a new one begins with what comes next.
        """
        with self._changed:
            # Where the file was damaged, twice is better than never.
            first = 0 if self.file.set_aside is not None else self._seq
            cursor = self._cursors.setdefault(lane.name, first)
            lane.begin(cursor, self._seq, self.count(cursor, self._seq, lane.takes))
            self._lanes[lane.name] = lane
            self._gone.discard(lane.name)

    def remove_lane(self, name: str, *, forget: bool) -> None:
        """Keep nothing more for a sink; with *forget*, nor what it has not taken."""
        with self._changed:
            self._lanes.pop(name, None)
            if forget:
                self._cursors.pop(name, None)
                self._gone.add(name)
            self._moved = True
            self._changed.notify_all()

    def use(self, settings: JournalSettings, memory_bytes: int) -> None:
        """Keep within other limits from now on."""
        with self._changed:
            self._limits.settings, self._memory_bytes = settings, memory_bytes

    def forget_strangers(self) -> dict[str, int]:
        """Forget sinks that the file knows and the line no longer has; the answer is how much waited for each."""
        strangers = {name: seq for name, seq in self._cursors.items() if name not in self._lanes}
        waited = {name: self.file.count_entries(seq, self._seq, KINDS) for name, seq in strangers.items()}
        for name in strangers:
            self.remove_lane(name, forget=True)
        return waited

    def book_interrupted(self, captured: CapturedCounts, policy: Callable[[str], str]) -> dict[str, int]:
        """Bring the ledger into balance after a run that ended with frames on their way; return them by source.

        A source that waits for the line offers them again; what a live one had captured is lost.
        """
        counted, outcomes = self.file.counts()
        captured.raise_to(counted)
        ended: Counter[str] = Counter()
        for (source, _), frames in outcomes.items():
            ended[source] += frames
        uncounted = {source: frames for source, frames in self._uncounted.all().items() if frames}
        ended.update(uncounted)
        captured.raise_to(ended)
        left = {source: frames - ended[source] for source, frames in captured.all().items() if frames > ended[source]}
        with self._changed:
            for source, frames in left.items():
                reason = "lost when the line ended" if policy(source) == "newest" else "given back when the line ended"
                self._outcomes[source, reason] += frames
            for source, frames in uncounted.items():
                self._outcomes[source, COUNTED_AS_RECORDED] += frames
            self._moved = self._moved or bool(left) or bool(uncounted)
            booked = outcomes + self._outcomes
        self.before = balances(captured.all(), booked)
        return left

    def expect(self, source: str) -> None:
        """Make ready for the frames of a source: its counter must be there before the disk is full."""
        with suppress(OSError):
            self._uncounted.raise_to({source: 0})

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Write what waits, as long as it can be written, and close the file; no lane may be at work any more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(max(0.1, timeout_s))
        if not self._thread.is_alive():  # else it hangs in a write, and closing the file would hang with it
            self.file.close()
            self._uncounted.close()

    # Appending

    def append(
        self,
        delivery: Delivery,
        *,
        arrival: Arrival | None = None,
        counts_as: tuple[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        """Take a delivery for every lane; *arrival* is the frame whose source is told once it is safe.

        Returns at once, unless so much waits for the disk that memory has no room for an inspection, and *wait* says to
        wait for it. A log entry finds no room then: what it counts is counted.
        """
        size = weight_of(delivery)
        with self._changed:
            if isinstance(delivery, LogEntry) and self._broken is not None and not self._has_room(size):
                if counts_as is not None:
                    self._outcomes[counts_as] += 1
                return
            if wait and isinstance(delivery, Inspection):
                self._changed.wait_for(lambda: self._has_room(size) or self._closing)
            self._seq += 1
            at = self._clock.now().timestamp()
            kind, name = kind_of(delivery), storable(name_of(delivery))
            self._waiting.append(Waiting(self._seq, at, kind, name, size, arrival, counts_as, delivery))
            self._waiting_bytes += size
            self._changed.notify_all()

    def is_full_for(self, delivery: Delivery) -> bool:
        """Say whether memory has no room for a delivery, since the disk takes none."""
        with self._changed:
            return self._broken is not None and not self._has_room(weight_of(delivery))

    def _has_room(self, size: int) -> bool:
        return not self._waiting or self._waiting_bytes + size <= self._memory_bytes

    def is_settled(self, frame_id: str) -> bool:
        """Say whether a frame of this id is safe already."""
        with self._changed:
            return storable(frame_id) in self._settled

    def wait_until_written(self, timeout_s: float) -> bool:
        """Wait until nothing waits for the disk, and lanes and sources have been told."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._telling, max(0.0, timeout_s))

    # What lanes ask

    @property
    def remembers(self) -> bool:
        """True where it outlives the process."""
        return self.file.path is not None

    @property
    def last_seq(self) -> int:
        """Number of the newest delivery."""
        with self._changed:
            return self._seq

    def read(self, after: int, limit: int, *, pixels: bool, max_bytes: int) -> list[tuple[int, Delivery | None]]:
        """Return up to *limit* deliveries that follow number *after*, oldest first, with their numbers.

        At least one, where there is one, and no more than *max_bytes* of those that are read from the disk. None stands
        for one that was damaged.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        with self._changed:
            waiting = [one for one in self._waiting if one.seq > after]
        entries, complete = self.file.read(after, limit, pixels=pixels, max_bytes=max_bytes)
        found = [(one.seq, unpacked(one.seq, one.packed)) for one in entries]
        if not complete:
            return found
        last = found[-1][0] if found else after
        rest = [one for one in waiting if one.seq > last][: limit - len(found)]
        return found + [(one.seq, one.unpacked()) for one in rest]

    def count(self, after: int, until: int, kinds: Collection[Kind]) -> int:
        """Return how many deliveries of these kinds follow number *after*, up to *until*."""
        with self._changed:
            # Those at the head may be on disk already, and are about to be taken out.
            written = self._written_seq
            waiting = sum(max(after, written) < one.seq <= until and one.kind in kinds for one in self._waiting)
            return waiting + self.file.count_entries(after, min(until, written), kinds)

    def strike_off(self) -> None:
        """Some lane's sink has taken something: its cursor has moved."""
        with self._changed:
            self._moved = True
            self._changed.notify_all()

    def bury(self, sink: str, seq: int, delivery: Delivery, attempts: int, error: str) -> None:
        """Put a delivery aside that *sink* refuses, before its lane passes it: it is written with the cursor."""
        letter = (sink, self._clock.now().timestamp(), attempts, error, pack(delivery), seq)
        with self._changed:
            self._buried.append(letter)
            self._moved = True
            self._changed.notify_all()

    def dead(self, sink: str | None = None) -> list[DeadLetter]:
        """Return the dead letters of one sink, or of all."""
        self._flush()
        return self.file.dead(sink)

    def raise_dead(self, ids: Sequence[int]) -> None:
        """Remove dead letters that were delivered after all."""
        with self.file.transaction():
            self.file.raise_dead(ids)

    @property
    def state(self) -> JournalState:
        """How it is now."""
        with own_work(), self._changed:
            now = self._clock.now().timestamp()
            oldest = max(0.0, now - self._oldest[1]) if self._oldest else 0.0
            return JournalState(self._entries, self._bytes, oldest, len(self._waiting), self._broken)

    # The thread

    def _flush(self) -> None:
        """Wait until the cursors and the dead letters are on disk."""
        with self._changed:
            self._flush_now = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._flush_now or self._broken is not None, LAST_RETRY_S)

    def _run(self) -> None:
        while True:
            if self._broken is not None:
                self._go_on_without_disk()
            batch = self._next_batch()
            if batch is None:
                return
            try:
                released = self._write(batch)
            except Exception as error:  # a full disk; and a mistake of the line's own must not end this thread
                self._cannot_write(error)
                if self._closing:
                    self._settle_what_sinks_hold()
                    return
            else:
                self._written(batch, released)
            try:
                self._keep_within_limits()
            except sqlite3.Error as error:
                self._cannot_write(error)

    def _next_batch(self) -> list[Waiting] | None:
        """Wait for something to write; an empty batch means that only cursors have moved, None that all is done."""
        with self._changed:
            if self._broken is None:
                self._changed.wait_for(lambda: self._waiting or self._closing or self._flush_now, FLUSH_S)
            batch: list[Waiting] = []
            size = 0
            for one in self._waiting:
                if len(batch) == BATCH or (batch and size + one.nbytes > BATCH_BYTES):
                    break
                batch.append(one)
                size += one.nbytes
            if not batch and self._closing and not (self._moved or self._buried):
                return None
            return batch

    def _released(self, delivered: int) -> list[Held]:
        """Return the frames that every sink has, or that have waited long enough for them."""
        now = self._clock.monotonic()
        return [one for one in self._held if one.seq <= delivered or now >= one.due]

    def _write(self, batch: Sequence[Waiting]) -> list[Held]:
        """Write what has come together, in one transaction; the answer is the frames that were held until now."""
        with self._changed:
            self._cursors.update({name: lane.cursor for name, lane in self._lanes.items()})
            cursors = dict(self._cursors)
            lowest = min(cursors.values(), default=self._seq)
            released = self._released(lowest)
            if not (batch or self._moved or self._buried or self._gone or released):
                return []
            self._moved = False
            lanes = list(self._lanes.values())
            buried = list(self._buried)
            gone = list(self._gone)
            earlier, self._outcomes = self._outcomes, Counter()
        try:
            # Without a sink that takes anything, or where all have it already, there is nothing to keep.
            kept = [one for one in batch if one.seq > lowest] if cursors else []
            entries = [Entry(one.seq, one.at, as_bytes) for one in kept if (as_bytes := packed(one, lanes))]
            outcomes = Counter(one.counts_as for one in batch if one.counts_as is not None and not one.is_held)
            outcomes.update(one.counts_as for one in released)
            outcomes.update(earlier)
            frames = [(one.seq, one.name) for one in batch if one.settles]
            frames += [(held.seq, held.name) for held in released]
            with self.file.transaction():
                self.file.append(entries)
                self.file.settle(frames, self._seq)
                self.file.count(self._captured(), outcomes)
                self.file.move_cursors(cursors)
                for name in gone:
                    self.file.drop_cursor(name)
                for sink, at, attempts, error, letter, _ in buried:
                    self.file.bury(sink, at, attempts, error, letter)
                went, went_bytes = self.file.size(lowest)
                self.file.forget_up_to(lowest)
        except BaseException:
            with self._changed:
                self._outcomes.update(earlier)
            raise
        with self._changed:
            if batch:
                self._written_seq = batch[-1].seq
            self._gone.difference_update(gone)
            for _ in buried:
                self._buried.popleft()
            self._entries += len(entries) - went
            self._bytes += sum(entry.packed.nbytes for entry in entries) - went_bytes
            if released:
                self._held = [one for one in self._held if one not in released]
        if earlier:
            self._uncounted.clear()
        return released

    def _written(self, batch: Sequence[Waiting], released: Sequence[Held]) -> None:
        recovered = False
        with self._changed:
            for one in batch:
                self._waiting.popleft()
                self._waiting_bytes -= one.nbytes
                if one.settles:
                    self._remember(one.name)
                elif one.is_held and one.arrival is not None and one.counts_as is not None:
                    due = self._clock.monotonic() + (one.arrival.hold_s or 0.0)
                    self._held.append(Held(one.seq, one.name, due, one.arrival, one.counts_as))
                    one.arrival = None
            for held in released:
                self._remember(held.name)
            if self._broken is not None:
                recovered, self._broken, self._retry_s = True, None, RETRY_S
            self._flush_now = False
            self._telling = True
            self._changed.notify_all()
        try:
            self._tell(batch)
            for held in released:
                self._settle(held.arrival)
        finally:
            with self._changed:
                self._telling = False
                self._changed.notify_all()
        if recovered:
            self._trouble("journal cannot be written", None)

    def _tell(self, batch: Sequence[Waiting]) -> None:
        """Offer *batch* to the lanes that do not have it, and settle its frames.

        In this order: who sees that nothing is in flight any more also sees what the lanes have to deliver.
        """
        for one in batch:
            self._offer(one)
            if one.arrival is not None:
                self._settle(one.arrival)
                one.arrival = None

    def _offer(self, one: Waiting) -> None:
        if not one.offered:
            one.offered = True
            with self._changed:
                lanes = list(self._lanes.values())
            if (delivery := one.unpacked()) is not None:
                for lane in lanes:
                    lane.offer(one.seq, delivery)

    def _cannot_write(self, error: Exception) -> None:
        with self._changed:
            first, self._broken = self._broken is None, str(error)
            self._moved = True  # what was to be written with the cursors still is
            self._retry_s = RETRY_S if first else min(LAST_RETRY_S, 2 * self._retry_s)
            self._changed.notify_all()
        if first:
            logger.error("the journal cannot be written: %s", error)
            full = "full" in str(error) or getattr(error, "errno", None) == errno.ENOSPC
            wish = "make room on its disk" if full else "look at its disk"
            self._trouble("journal cannot be written", f"the journal cannot be written: {error}; {wish}")

    def _go_on_without_disk(self) -> None:
        """Until the next attempt is due, deliver from memory, and settle what every sink holds."""
        until = self._clock.monotonic() + self._retry_s
        while not self._closing and (left := until - self._clock.monotonic()) > 0:
            with self._changed:
                fresh = [one for one in self._waiting if not one.offered]
            for one in fresh:
                self._offer(one)
            self._settle_what_sinks_hold()
            self._make_small()
            with self._changed:
                self._moved = False
                self._changed.wait_for(
                    lambda: self._closing or self._moved or any(not one.offered for one in self._waiting), left
                )
        with self._changed:
            self._moved = True

    def _make_small(self) -> None:
        """Pack what waits for the disk: a heat map takes a tenth of the memory, and there may be hours to bridge."""
        with self._changed:
            large = [one for one in self._waiting if one.packed is None and one.kind == INSPECTION]
            lanes = list(self._lanes.values())
        for one in large:
            small = packed(one, lanes)
            with self._changed:
                if small is not None and small.nbytes < one.nbytes:
                    self._waiting_bytes -= one.nbytes - small.nbytes if one in self._waiting else 0
                    one.packed, one.delivery, one.nbytes = small, None, small.nbytes
                    self._changed.notify_all()

    def _settle_what_sinks_hold(self) -> None:
        safe: list[Arrival] = []
        with self._changed:
            # Dead letters are not delivered: until they are on disk, their frames are not safe.
            held = min((lane.cursor for lane in self._lanes.values()), default=self._seq)
            held = min([held, *(seq - 1 for *_, seq in self._buried)])
            while self._waiting and self._waiting[0].seq <= held:
                one = self._waiting.popleft()
                self._waiting_bytes -= one.nbytes
                self._count_without_disk(one.counts_as)
                if one.kind == INSPECTION and one.counts_as is not None:
                    self._remember(one.name)
                if one.arrival is not None:
                    safe.append(one.arrival)
            for on_disk in [known for known in self._held if known.seq <= held]:
                self._held.remove(on_disk)
                self._count_without_disk(on_disk.counts_as)
                self._remember(on_disk.name)
                safe.append(on_disk.arrival)
            self._changed.notify_all()
        for arrival in safe:
            self._settle(arrival)

    def _count_without_disk(self, counts_as: tuple[str, str] | None) -> None:
        """Count how a frame ended; where it was recorded, also where a kill leaves the count alone."""
        if counts_as is None:
            return
        self._outcomes[counts_as] += 1
        if counts_as[1] == COUNTED_AS_RECORDED:
            with suppress(OSError):
                self._uncounted.add(counts_as[0])

    def _remember(self, name: str) -> None:
        self._settled[name] = None
        while len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)

    def _keep_within_limits(self) -> None:
        oldest = self.file.oldest()
        with self._changed:
            self._oldest = oldest
            size, lanes = self._bytes, list(self._lanes.values())
        if (over := self._limits.look(size, oldest, lanes)) is not None:
            with self._changed:
                for name in self._cursors.keys() - self._lanes.keys():
                    self._cursors[name] = max(self._cursors[name], over)
            self.strike_off()
