"""One lane a sink: its own thread, its own queue, batches, retries. What one sink does delays no other.

A lane keeps the order: inspections and alarms reach the sink as they happened, and what failed comes again before
anything newer. Waiting between attempts grows exponentially with jitter ("equal jitter" in Brooker, "Exponential
Backoff And Jitter", AWS Architecture Blog 2015), so that the sinks of many lines do not knock at a recovering server
at once.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Condition, Thread
from typing import Protocol

from linecore.alarms import Alarm
from linecore.bus import Bus
from linecore.clock import Clock
from linecore.events import DeliveriesDropped, SinkFailed, SinkRecovered, SinkStalled
from linecore.inspection import Inspection

BATCH = 100  # inspections that a sink gets at most at once: one transaction, and a bounded loss of work when it fails
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 30.0


class Sink(Protocol):
    """The two hooks of a sink, as a lane calls them."""

    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch."""
        ...

    def notify(self, alarm: Alarm) -> None:
        """Tell of an alarm's change."""
        ...


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a lane may hold, and how long it tries."""

    bytes: int = 256 * 1024 * 1024
    timeout_s: float = 10.0
    attempts: int = 10


class Lane:
    """Delivers to one sink; *delivered* is called with each batch that the sink has stored.

    A durable sink's lane never lets an inspection go: it blocks :meth:`offer` while it is full, and tries for ever. Any
    other lane drops, and counts, what does not fit and what failed ``attempts`` times. Alarms always fit.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        durable: bool,
        limits: LaneLimits,
        bus: Bus,
        clock: Clock,
        delivered: Callable[[str, Sequence[Inspection]], None],
    ) -> None:
        self.name = name
        self.durable = durable
        self.dropped = 0
        self._sink = sink
        self._limits = limits
        self._bus = bus
        self._clock = clock
        self._delivered = delivered
        self._jitter = random.Random(name)
        self._waiting: deque[Inspection | Alarm] = deque()
        self._waiting_bytes = 0
        self._changed = Condition()
        self._closing = False
        self._abandoned = False
        self._busy_since: float | None = None
        self._stall_told = False
        self._attempt = 0
        self._thread = Thread(target=self._run, name=f"lane {name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def offer(self, delivery: Inspection | Alarm) -> None:
        """Queue an inspection or an alarm for the sink."""
        size = delivery.nbytes if isinstance(delivery, Inspection) else 0
        with self._changed:
            while size and self._waiting and self._waiting_bytes + size > self._limits.bytes and not self._abandoned:
                if not self.durable:
                    self.dropped += 1
                    break
                self._changed.wait()
            else:
                self._waiting.append(delivery)
                self._waiting_bytes += size
                self._changed.notify_all()
                return
        self._bus.publish(DeliveriesDropped(self.name, 1, "the sink's lane is full"))

    def check_stall(self) -> None:
        """Publish SinkStalled, once, where the sink has been busy with one call beyond its timeout."""
        with self._changed:
            busy_since = self._busy_since
            if busy_since is None or self._stall_told:
                return
            busy = self._clock.monotonic() - busy_since
            if busy < self._limits.timeout_s:
                return
            self._stall_told = True
            waiting = len(self._waiting)
        self._bus.publish(SinkStalled(self.name, busy, waiting))

    def close(self) -> None:
        """Say that nothing more will be offered; the lane delivers what waits and ends."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> int:
        """Wait until everything is delivered, at most *timeout_s*; the answer is how much is left undelivered."""
        self._thread.join(max(0.0, timeout_s))
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
            left = len(self._waiting)
            self.dropped += 0 if self.durable else left  # what a durable sink did not take is offered again
        if left:
            self._bus.publish(DeliveriesDropped(self.name, left, "the line stopped before the sink took them"))
        return left

    def _run(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch)

    def _next_batch(self) -> list[Inspection] | Alarm | None:
        """Return what stands first, without taking it out: it leaves the queue when it has been delivered."""
        with self._changed:
            while not self._waiting:
                if self._closing or self._abandoned:
                    return None
                self._changed.wait()
            if self._abandoned:
                return None
            first = self._waiting[0]
            if isinstance(first, Alarm):
                return first
            batch: list[Inspection] = []
            for delivery in islice(self._waiting, BATCH):
                if isinstance(delivery, Alarm):
                    break
                batch.append(delivery)
            return batch

    def _deliver(self, batch: list[Inspection] | Alarm) -> None:
        with self._changed:
            self._busy_since = self._clock.monotonic()
        try:
            if isinstance(batch, Alarm):
                self._sink.notify(batch)
            else:
                self._sink.record(batch)
        except BaseException as error:  # a plugin that wants to exit, or was cancelled, must not take the lane along
            self._failed(batch, f"{type(error).__name__}: {error}")
        else:
            self._succeeded(batch)

    def _succeeded(self, batch: list[Inspection] | Alarm) -> None:
        with self._changed:
            self._remove(batch)
            had_trouble = self._attempt > 0 or self._stall_told
            self._attempt, self._busy_since, self._stall_told = 0, None, False
            waiting = len(self._waiting)
        if isinstance(batch, list):
            self._delivered(self.name, batch)
        if had_trouble:
            self._bus.publish(SinkRecovered(self.name, waiting))

    def _failed(self, batch: list[Inspection] | Alarm, error: str) -> None:
        with self._changed:
            self._busy_since = None
            self._attempt += 1
            give_up = not self.durable and (self._closing or self._attempt >= self._limits.attempts)
            count = len(batch) if isinstance(batch, list) else 1
            attempt, retry_s = self._attempt, 0.0 if give_up else self._retry_s()
            if give_up:
                self._remove(batch)
                self.dropped += count
                self._attempt = 0
            waiting = len(self._waiting)
        self._bus.publish(SinkFailed(self.name, error, attempt, waiting, retry_s))
        if give_up:
            self._bus.publish(DeliveriesDropped(self.name, count, f"the sink failed {attempt} times: {error}"))
            return
        with self._changed:
            # Closing ends the wait of a sink that has one attempt left; a durable one keeps its distance and its tries.
            self._changed.wait_for(lambda: self._abandoned or (self._closing and not self.durable), retry_s)

    def _retry_s(self) -> float:
        ceiling = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** (self._attempt - 1))
        return self._jitter.uniform(ceiling / 2, ceiling)

    def _remove(self, batch: list[Inspection] | Alarm) -> None:
        for _ in range(len(batch) if isinstance(batch, list) else 1):
            delivery = self._waiting.popleft()
            if isinstance(delivery, Inspection):
                self._waiting_bytes -= delivery.nbytes
        self._changed.notify_all()
