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
    """Holds up to *capacity* frames, first in, first out."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._arrivals: deque[Arrival] = deque()
        self._closed = False
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._arrivals)

    def offer(self, arrival: Arrival, policy: Policy) -> Frame | None:
        """Put a frame into the queue; the answer is the frame that was let go for it, if any.

        With "wait" this blocks until there is room. With "newest" it never blocks: the source's own oldest waiting
        frame goes, or the new one where none of its frames waits.
        """
        with self._changed:
            while len(self._arrivals) >= self.capacity:
                if policy == "newest":
                    return self._replace_oldest(arrival)
                self._changed.wait()
            self._arrivals.append(arrival)
            self._changed.notify_all()
            return None

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
        """Say that no more frames will be offered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _replace_oldest(self, arrival: Arrival) -> Frame:
        for index, waiting in enumerate(self._arrivals):
            if waiting.frame.source == arrival.frame.source:
                del self._arrivals[index]
                self._arrivals.append(arrival)
                return waiting.frame
        return arrival.frame
