"""Says NO_RESULT at the deadline itself, whatever a worker is busy with."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread
from weakref import ref

from linecore.clock import Clock
from linecore.intake import Arrival


class Deadlines:
    """Calls *expired*, in a thread of its own, with each arrival whose verdict has not come by the time it was due."""

    def __init__(self, clock: Clock, expired: Callable[[Arrival], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._changed = Condition()
        # Weak, since an arrival holds its pixels: one that is done must not stay until it would have been due.
        self._due: list[tuple[float, int, ref[Arrival]]] = []
        self._numbers = count()
        self._closing = False
        self._thread = Thread(target=self._run, name="deadlines", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def add(self, arrival: Arrival) -> None:
        """Watch an arrival, where it has a time by which it is due."""
        if arrival.due is None:
            return
        with self._changed:
            number = next(self._numbers)
            heapq.heappush(self._due, (arrival.due, number, ref(arrival)))
            if self._due[0][1] == number:
                self._changed.notify_all()

    def close(self, timeout_s: float) -> None:
        """Watch no longer; waits up to *timeout_s* for a handler that may hang."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(max(0.0, timeout_s))

    def _run(self) -> None:
        while arrival := self._next():
            if arrival.expire():
                self._expired(arrival)

    def _next(self) -> Arrival | None:
        with self._changed:
            while not self._closing:
                left = self._due[0][0] - self._clock.monotonic() if self._due else None
                if left is None or left > 0:
                    self._changed.wait(left)
                elif arrival := heapq.heappop(self._due)[2]():
                    return arrival
            return None
