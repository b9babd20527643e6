"""One lane a sink: its own threads, its own queue, batches, retries. What one sink does delays no other.

A lane keeps the order: deliveries reach the sink as they happened, and what failed comes again before anything newer.
What does not fit into the lane's memory waits in the journal alone, and is read back when its turn comes; so does what
was left when the line ended.

A sink can fail in two ways. It is *away*: what it talks to does not answer, or it does not return in time. Then the
lane waits and tries again, for as long as it takes; after :data:`BREAKER` failures the circuit is open (Nygard,
"Release It!", 2007), and one delivery at a time is the probe. Or it *refuses* what it gets: after ``attempts`` with a
batch the lane offers its deliveries one by one, and after :data:`ALONE` with one of them the next of the same kind.
Where the sink takes that, what it refused is a dead letter, kept until somebody replays it; where it does not, the sink
is to blame, and the lane goes on trying.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from threading import Condition, Thread
from threading import Event as Flag
from typing import Literal

from linecore.backoff import wait_s
from linecore.bus import Bus
from linecore.clock import Clock
from linecore.events import DeliveriesDropped, DeliveryRefused, SinkFailed, SinkRecovered, SinkStalled
from linecore.inspection import Inspection
from linecore.journal import Journal
from linecore.journal_file import DeadLetter
from linecore.packing import ALARM, Delivery, Kind, kind_of, name_of, unpack, weight_of
from linecore.sink import Sink, deliver, is_away, ready
from linecore.turns import Turns, TurnTimeoutError, own_work

logger = logging.getLogger(__name__)

BATCH = 100  # deliveries that a sink gets at most at once: one transaction, and a bounded loss of work when it fails
ALONE = 3  # refusals of one delivery alone, after which the sink is asked whether it takes another
BREAKER = 5  # failures in a row after which a sink counts as away
LAST_TRIES = 3  # failures after which a closing lane leaves the rest to the next start
LAST_PAUSE_S = 1.0  # between those, at most
READ_BYTES = 32 * 1024 * 1024  # read back from the journal at once
LIVE_S = 1.0  # what is delivered later than this after it happened was buffered

State = Literal["idle", "delivering", "retrying", "away"]


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a lane may hold in memory, how long a turn of its sink may take, and how often it tries."""

    bytes: int = 256 * 1024 * 1024
    timeout_s: float = 10.0
    attempts: int = 10


@dataclass(frozen=True, slots=True)
class LaneState:
    """How a lane is, for a person."""

    sink: str
    state: State
    waiting: int  # deliveries that the sink does not have yet
    dropped: int  # deliveries that were let go
    dead: int  # that the sink refused since the line started
    attempt: int  # failures in a row
    error: str | None  # the last one, while it lasts
    left_behind: int  # calls that hang though their turn is over


@dataclass(slots=True)
class _Waiting:
    seq: int
    delivery: Delivery
    nbytes: int
    refused: int = 0  # times that the sink refused it, alone


class Replay:
    """A dead letter on its way to its sink once more."""

    def __init__(self, letter: DeadLetter) -> None:
        self.letter = letter
        self.done = Flag()
        self.error: str | None = None  # why it is still a dead letter; None once it is delivered


class Lane:
    """Delivers to one sink what the journal keeps for it.

    *trouble* is told what is wrong with the sink (a name and a sentence), and None for the sentence when it is over.
    """

    live = False

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        limits: LaneLimits,
        bus: Bus,
        clock: Clock,
        journal: Journal,
        trouble: Callable[[str, str | None], None] = lambda _name, _sentence: None,
        hide: Callable[[str], str] = str,
    ) -> None:
        self.name = name
        self.dropped = 0
        self.limits = limits
        self._sink = sink
        self._bus = bus
        self._clock = clock
        self._journal = journal
        self._trouble = trouble
        self._hide = hide  # takes secrets out of what an exception says
        self._jitter = random.Random(name)
        self._changed = Condition()
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._cursor = 0  # everything up to here is delivered
        self._taken = 0  # everything up to here was in the queue
        self._known = 0  # the newest that there is
        self._owed = 0  # deliveries up to there that the sink does not have
        self._closing = False
        self._last_tries = 0  # failures since then
        self._abandoned = False
        self._attempt = 0
        self._error: str | None = None
        self._busy = False
        self._is_away = False
        self._batch = BATCH
        self._neighbour_first = False
        self._dead = 0
        self._replays: deque[Replay] = deque()
        self._turns = Turns(f"sink {name}")
        self._thread = Thread(target=self._run, name=f"lane {name}", daemon=True)
        journal.add_lane(self)

    # What the journal asks

    @property
    def takes(self) -> frozenset[Kind]:
        """Kinds of deliveries that the sink takes."""
        return self._sink.takes

    def begin(self, cursor: int, last: int, owed: int) -> None:
        """Learn where the sink is; called once, before anything is offered."""
        self._cursor = self._taken = cursor
        self._known, self._owed = last, owed

    @property
    def cursor(self) -> int:
        """Number of the last delivery that the sink has; without the lane's lock, since the journal holds its own."""
        return self._cursor

    def wants_pixels(self, inspection: Inspection) -> bool:
        """Say whether the sink needs the pictures of an inspection: not where it named no file that it will keep."""
        return self._sink.pixels and (bool(inspection.evidence) or not self._sink.names_evidence)

    def offer(self, seq: int, delivery: Delivery) -> None:
        """Queue a delivery; where memory is full, it waits in the journal alone."""
        size = weight_of(delivery)
        with self._changed:
            behind = self._taken < self._known or seq > self._known + 1
            self._note(seq, delivery)
            if seq > self._taken and not behind and (not self._queue or self._queue_bytes + size <= self.limits.bytes):
                self._put(seq, delivery)
            self._changed.notify_all()

    def let_go(self, seq: int, reason: str) -> None:
        """Give up everything up to number *seq*."""
        with self._changed:
            if seq <= self._cursor:
                return
            # What the journal has is counted up to what this lane has heard of; what is offered later adds to it.
            left = self._journal.count(seq, self._known, self._sink.takes)
            while self._queue and self._queue[0].seq <= seq:
                self._queue_bytes -= self._queue.popleft().nbytes
            self._cursor, self._taken = seq, max(self._taken, seq)
            count, self._owed = max(0, self._owed - left), min(self._owed, left)
            self.dropped += count
        if count:
            self._bus.publish(DeliveriesDropped(self.name, count, reason))

    def replay(self, letters: Sequence[DeadLetter]) -> list[Replay]:
        """Offer dead letters once more, before what waits; each of the answers is done when its letter is."""
        replays = [Replay(letter) for letter in letters]
        with self._changed:
            self._replays += replays
            self._changed.notify_all()
        return replays

    # Life

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def use(self, sink: Sink) -> None:
        """Deliver to another sink of the same name from the next batch on; returns when the last one is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, self.limits.timeout_s + 1)
            if sink.takes != self._sink.takes:
                # What the one before was not interested in was not queued: it is read again.
                self._queue.clear()
                self._queue_bytes, self._taken = 0, self._cursor
                self._owed = self._journal.count(self._cursor, self._known, sink.takes)
            self._sink, self._attempt, self._batch = sink, 0, BATCH
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing more will be offered; the lane delivers what waits and ends."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> int:
        """Wait until everything is delivered, at most *timeout_s*; the answer is how much the journal still keeps."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        return self.state.waiting

    @property
    def state(self) -> LaneState:
        """How the lane is now."""
        left_behind = self._turns.left_behind
        with own_work(), self._changed:
            waiting = self._owed
            state: State = "away" if self._is_away else "retrying" if self._attempt else "delivering"
            return LaneState(
                self.name,
                state if waiting or self._is_away else "idle",
                waiting,
                self.dropped,
                self._dead,
                self._attempt,
                self._error,
                left_behind,
            )

    # The thread

    def _run(self) -> None:
        while True:
            try:
                self._read_on()
                self._deliver_replays()
                batch = self._next_batch()
                if batch is None:
                    break
                if batch:
                    self._deliver(batch)
            except Exception as error:  # a file that cannot be read; a mistake of the line's own must not end the lane
                logger.exception("the lane of sink %s stumbled", self.name)
                self._stumbled(error)
        self._turns.close()

    def _read_on(self) -> None:
        """Take what waits in the journal alone, once everything before it is delivered."""
        with self._changed:
            if len(self._queue) > 1 or self._taken >= self._known or self._abandoned:
                return
            after, known = self._taken, self._known
        found = self._journal.read(after, BATCH, pixels=self._sink.pixels, max_bytes=READ_BYTES)
        damaged = 0
        with self._changed:
            for seq, delivery in found:
                if seq > self._taken and delivery is not None:
                    self._note(seq, delivery)
                    self._put(seq, delivery)
                elif seq > self._taken:
                    damaged += 1
                    self._pass(seq)
            if not found:
                self._pass(known)  # nothing is left up to there: it was damaged, or let go
            self._dropped(damaged)
        if damaged:
            self._bus.publish(DeliveriesDropped(self.name, damaged, "they are damaged in the journal"))

    def _note(self, seq: int, delivery: Delivery) -> None:
        """Count a delivery that was not heard of yet."""
        if seq > self._known:
            self._known = seq
            self._owed += kind_of(delivery) in self._sink.takes

    def _dropped(self, count: int) -> None:
        self.dropped += count
        self._owed = max(0, self._owed - count)

    def _put(self, seq: int, delivery: Delivery) -> None:
        if kind_of(delivery) in self._sink.takes:
            self._taken = seq
            self._queue.append(_Waiting(seq, delivery, weight_of(delivery)))
            self._queue_bytes += self._queue[-1].nbytes
        else:
            self._pass(seq)

    def _pass(self, seq: int) -> None:
        """Go beyond what is of no interest to this sink."""
        self._taken = max(self._taken, seq)
        if not self._queue and not self._busy:
            self._cursor = max(self._cursor, self._taken)
            self._journal.strike_off()

    def _next_batch(self) -> list[_Waiting] | None:
        """Return what stands first, without taking it out; an empty batch means that more is to be read."""
        with self._changed:
            while not self._queue:
                if not self._abandoned and (self._taken < self._known or self._replays):
                    return []
                if self._closing or self._abandoned:
                    return None
                self._changed.wait()
            if self._abandoned:
                return None
            self._busy = True
            return self._neighbour() or self._head()

    def _neighbour(self) -> list[_Waiting] | None:
        """Return the next of its kind after a delivery that was refused too often, every other time."""
        head = self._queue[0]
        if head.refused < ALONE:
            return None
        self._neighbour_first = not self._neighbour_first
        if not self._neighbour_first:
            return None
        kind = kind_of(head.delivery)
        return [one for one in islice(self._queue, 1, None) if kind_of(one.delivery) == kind][:1] or None

    def _head(self) -> list[_Waiting]:
        kind = kind_of(self._queue[0].delivery)
        size = 1 if kind == ALARM or self._is_away else self._batch
        batch: list[_Waiting] = []
        for one in self._queue:
            if len(batch) == size or kind_of(one.delivery) != kind:
                break
            batch.append(one)
        return batch

    def _deliver(self, batch: list[_Waiting]) -> None:
        sink = self._sink
        try:
            deliveries = [self._marked(ready(sink, one.delivery)) for one in batch]
            self._turns.take(lambda: deliver(sink, deliveries), self.limits.timeout_s)
        except BaseException as error:  # a plugin that wants to exit, or was cancelled, must not take the lane along
            self._failed(batch, error)
        else:
            self._succeeded(batch)

    def _deliver_replays(self) -> None:
        """Offer dead letters, once each; not while the sink is in trouble, which would be no test of them."""
        while True:
            with self._changed:
                if not self._replays or self._attempt or self._abandoned:
                    return
                replay = self._replays.popleft()
            sink, letter = self._sink, replay.letter
            delivery = ready(sink, unpack(letter.packed))
            if isinstance(delivery, Inspection):
                delivery = replace(delivery, buffered=True)
            batch = [delivery]
            try:
                self._turns.take(lambda: deliver(sink, batch), self.limits.timeout_s)  # noqa: B023  # called at once
            except BaseException as error:
                replay.error = self._hide(f"{type(error).__name__}: {error}")
            else:
                self._journal.raise_dead([letter.id])
            replay.done.set()

    def _marked(self, delivery: Delivery) -> Delivery:
        if not isinstance(delivery, Inspection):
            return delivery
        waited = (self._clock.now() - delivery.completed_at).total_seconds()
        return replace(delivery, buffered=True) if self._attempt or waited > LIVE_S else delivery

    def _succeeded(self, batch: list[_Waiting]) -> None:
        with self._changed:
            head = self._queue[0] if self._queue else None
            # The sink takes another of the kind: it is this one that it refuses.
            refused = head if head is not None and head.seq < batch[0].seq else None
        if refused is not None:
            self._bury(refused)
        with self._changed:
            # What was let go meanwhile is no longer at the head; what stands between the two is still to come.
            done = {refused.seq} if refused is not None else set()
            done |= {one.seq for one in batch}
            while self._queue and self._queue[0].seq in done:
                self._cursor = max(self._cursor, self._queue[0].seq)
                self._queue_bytes -= self._queue.popleft().nbytes
                self._owed -= 1
            if not self._queue:
                self._cursor = max(self._cursor, self._taken)  # what follows is of no interest to this sink
            had_trouble, was_away = self._attempt > 0, self._is_away
            self._attempt, self._error, self._is_away, self._busy = 0, None, False, False
            self._batch = min(BATCH, 2 * self._batch)
            waiting = self._owed
            self._changed.notify_all()
        self._journal.strike_off()
        if had_trouble:
            self._bus.publish(SinkRecovered(self.name, waiting))
        if was_away:
            self._trouble(f"sink {self.name} is away", None)

    def _bury(self, refused: _Waiting) -> None:
        error = self._error or "it was refused"
        self._journal.bury(self.name, refused.seq, refused.delivery, self.limits.attempts + refused.refused, error)
        self._dead += 1
        self._bus.publish(DeliveryRefused(self.name, name_of(refused.delivery), refused.refused, error))

    def _stumbled(self, error: Exception) -> None:
        said = self._hide(f"{type(error).__name__}: {error}")
        with self._changed:
            self._busy = False
            self._attempt += 1
            self._error = said
            self._abandoned = self._abandoned or self._closing
            attempt, waiting, retry_s = self._attempt, self._owed, wait_s(self._attempt, self._jitter)
            self._changed.notify_all()
        self._bus.publish(SinkFailed(self.name, said, attempt, waiting, retry_s))
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._closing, retry_s)

    def _failed(self, batch: list[_Waiting], error: BaseException) -> None:
        said = self._hide(f"{type(error).__name__}: {error}")
        away = is_away(error)
        with self._changed:
            self._busy = False
            self._attempt += 1
            self._error = said
            if not away and self._batch == 1:
                batch[0].refused += 1
            if isinstance(error, TurnTimeoutError):
                self._batch = max(1, len(batch) // 2)  # perhaps it was too much at once
            elif not away and self._attempt >= self.limits.attempts:
                self._batch = 1  # which of them is refused?
            opened = (
                not self._is_away and self._attempt >= BREAKER and (away or self._attempt > 2 * self.limits.attempts)
            )
            self._is_away = self._is_away or opened
            attempt, retry_s = self._attempt, wait_s(batch[0].refused or self._attempt, self._jitter)
            waiting = self._owed
            if self._closing:
                self._last_tries += 1
                retry_s = min(retry_s, LAST_PAUSE_S)
            # Without a file there is no next start: the lane tries for as long as it is let.
            last = self._last_tries >= LAST_TRIES and self._journal.remembers
            self._abandoned = self._abandoned or last
            closing = self._closing
            self._changed.notify_all()
        if isinstance(error, TurnTimeoutError):
            self._bus.publish(SinkStalled(self.name, self.limits.timeout_s, waiting))
        self._bus.publish(SinkFailed(self.name, said, attempt, waiting, 0.0 if last else retry_s))
        if opened:
            self._trouble(f"sink {self.name} is away", f"sink {self.name} takes nothing: {said}")
        with self._changed:
            # Closing ends a long wait, once.
            self._changed.wait_for(lambda: self._abandoned or (self._closing and not closing), retry_s)
