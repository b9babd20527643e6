"""Says NO_RESULT at the deadline itself, whatever a worker is busy with."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread

from linecore.clock import Clock
from linecore.intake import Arrival


class Deadlines:
    """Calls *expired*, in a thread of its own, with each arrival whose verdict has not come by the time it was due."""

    def __init__(self, clock: Clock, expired: Callable[[Arrival], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._changed = Condition()
        self._due: list[tuple[float, int, Arrival]] = []
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
            heapq.heappush(self._due, (arrival.due, next(self._numbers), arrival))
            if self._due[0][2] is arrival:
                self._changed.notify_all()

    def close(self) -> None:
        """Watch no longer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while arrival := self._next():
            if arrival.expire():
                self._expired(arrival)

    def _next(self) -> Arrival | None:
        with self._changed:
            while not self._closing:
                left = self._due[0][0] - self._clock.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
            return None
