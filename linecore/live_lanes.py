"""The lane of a sink that is only for the moment, such as a terminal: what it cannot take is let go, and counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from linecore.bus import Bus
from linecore.events import DeliveriesDropped, SinkFailed, SinkRecovered, SinkStalled
from linecore.lanes import BATCH, LaneLimits, LaneState, State
from linecore.packing import ALARM, Delivery, kind_of, weight_of
from linecore.sink import Sink, deliver
from linecore.turns import Turns, TurnTimeoutError, own_work


class LiveLane:
    """Delivers to one sink from memory; what does not fit, and what the sink fails to take once, is let go."""

    live = True

    def __init__(
        self, name: str, sink: Sink, *, limits: LaneLimits, bus: Bus, hide: Callable[[str], str] = str
    ) -> None:
        self.name = name
        self.dropped = 0
        self.limits = limits
        self._sink = sink
        self._bus = bus
        self._hide = hide  # takes secrets out of what an exception says
        self._changed = Condition()
        self._queue: deque[Delivery] = deque()
        self._queue_bytes = 0
        self._closing = False
        self._abandoned = False
        self._attempt = 0
        self._error: str | None = None
        self._turns = Turns(f"sink {name}")
        self._thread = Thread(target=self._run, name=f"lane {name}", daemon=True)

    def offer(self, delivery: Delivery) -> None:
        """Queue a delivery, or let it go where there is no room."""
        if kind_of(delivery) not in self._sink.takes:
            return
        size = weight_of(delivery)
        with self._changed:
            fits = not self._queue or self._queue_bytes + size <= self.limits.bytes
            if fits:
                self._queue.append(delivery)
                self._queue_bytes += size
                self._changed.notify_all()
            else:
                self.dropped += 1
        if not fits:
            self._bus.publish(DeliveriesDropped(self.name, 1, "the sink's lane is full"))

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def use(self, sink: Sink) -> None:
        """Deliver to another sink of the same name from the next batch on."""
        with self._changed:
            self._sink = sink

    def close(self) -> None:
        """Say that nothing more will be offered."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> int:
        """Wait until everything is delivered, at most *timeout_s*; the answer is how much is let go."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        with self._changed:
            self._abandoned = True
            left = len(self._queue)
            self.dropped += left
            self._queue.clear()
            self._changed.notify_all()
        if left:
            self._bus.publish(DeliveriesDropped(self.name, left, "the line stopped before the sink took them"))
        return left

    @property
    def state(self) -> LaneState:
        """How the lane is now."""
        left_behind = self._turns.left_behind
        with own_work(), self._changed:
            word: State = "retrying" if self._attempt else "delivering" if self._queue else "idle"
            return LaneState(
                self.name, word, len(self._queue), self.dropped, 0, self._attempt, self._error, left_behind
            )

    def _run(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch)
        self._turns.close()

    def _next_batch(self) -> list[Delivery]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing or self._abandoned)
            batch: list[Delivery] = []
            for one in () if self._abandoned else self._queue:
                kind = kind_of(one)
                if batch and (kind != kind_of(batch[0]) or kind == ALARM or len(batch) == BATCH):
                    break
                batch.append(one)
            return batch

    def _deliver(self, batch: list[Delivery]) -> None:
        sink = self._sink
        error: BaseException | None = None
        try:
            self._turns.take(lambda: deliver(sink, batch), self.limits.timeout_s)
        except BaseException as failure:  # a plugin that wants to exit must not take the lane along
            error = failure
        with self._changed:
            for one in batch if not self._abandoned else ():
                self._queue.popleft()
                self._queue_bytes -= weight_of(one)
            had_trouble, waiting = self._attempt > 0, len(self._queue)
            self._attempt = self._attempt + 1 if error else 0
            self._error = self._hide(f"{type(error).__name__}: {error}") if error else None
            self.dropped += len(batch) if error and not self._abandoned else 0
            attempt, said = self._attempt, self._error
        if isinstance(error, TurnTimeoutError):
            self._bus.publish(SinkStalled(self.name, self.limits.timeout_s, waiting))
        if said is not None:
            self._bus.publish(SinkFailed(self.name, said, attempt, waiting, 0.0))
            self._bus.publish(DeliveriesDropped(self.name, len(batch), f"the sink failed: {said}"))
        elif had_trouble:
            self._bus.publish(SinkRecovered(self.name, waiting))
