"""The bounded queue between the sources and the workers, and what happens when it is full."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import Literal

from linecore.inspection import Frame

Policy = Literal["wait", "newest"]
"""What a source does while the intake is full: wait for room, or let its own oldest waiting frame go."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame, and when it was captured on the line's monotonic clock, in seconds."""

    frame: Frame
    at: float


class Intake:
    """Holds *capacity* frames, and one more for each live source, first in, first out."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._arrivals: deque[Arrival] = deque()
        self._closed = False
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._arrivals)

    def offer(self, arrival: Arrival, policy: Policy) -> Frame | None:
        """Put a frame into the queue; the answer is the frame that was let go for it, if any.

        With "wait" this blocks until there is room, or until the intake is closed: then the frame is not taken, and its
        source will offer it again. With "newest" it never blocks: the source's own oldest waiting frame goes. Where
        none of its frames waits, the new one is taken beyond the capacity, so that a source with a backlog cannot keep
        a camera out.
        """
        with self._changed:
            if policy == "newest" and len(self._arrivals) >= self.capacity:
                let_go = self._remove_oldest_of(arrival.frame.source)
            else:
                let_go = None
                self._changed.wait_for(lambda: len(self._arrivals) < self.capacity or self._closed)
            if not self._closed:
                self._arrivals.append(arrival)
                self._changed.notify_all()
            return let_go

    def take(self) -> Arrival | None:
        """Return the oldest frame, waiting for one; None once the intake is closed and empty."""
        with self._changed:
            while not self._arrivals:
                if self._closed:
                    return None
                self._changed.wait()
            arrival = self._arrivals.popleft()
            self._changed.notify_all()
            return arrival

    def close(self) -> None:
        """Take no more frames."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _remove_oldest_of(self, source: str) -> Frame | None:
        for index, waiting in enumerate(self._arrivals):
            if waiting.frame.source == source:
                del self._arrivals[index]
                return waiting.frame
        return None
