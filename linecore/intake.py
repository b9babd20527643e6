"""The bounded queue between the sources and the workers, and what happens when it is full."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import Literal

from linecore.inspection import Frame

Policy = Literal["wait", "newest"]
"""What a source does while the intake is full: wait for room, or let its own oldest waiting frame go."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Arrival:
    """A frame on its way from its source to the journal, and who may still say what about it.

    A worker, the deadline and the watchdog may all want to have the last word: each claims it, and the first has it.
    So there is one verdict for each frame, and one record.
    """

    frame: Frame
    at: float  # seconds of the line's monotonic clock when it was captured
    source: str = ""  # the plugin that yielded it; a frame that was captured elsewhere names its own source
    due: float | None = None  # seconds of the same clock by which there must be a verdict
    hold_s: float | None = None  # seconds that its settlement waits for every sink; None: for the journal alone
    expired: bool = False  # the deadline came before the verdict
    _answered: bool = False
    _completed: bool = False
    _lock: Lock = field(default_factory=Lock)

    def answer(self) -> bool:
        """Claim the verdict; False where somebody else has given it."""
        with self._lock:
            first, self._answered = not self._answered, True
            return first

    def expire(self) -> bool:
        """Claim that there is no verdict in time; False where there is one."""
        with self._lock:
            first, self._answered = not self._answered, True
            self.expired = self.expired or first
            return first

    def complete(self) -> bool:
        """Claim the record; False where somebody else has completed the frame."""
        with self._lock:
            first, self._completed = not self._completed, True
            return first


class Intake:
    """Holds *capacity* frames, and one more for each live source, first in, first out."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._arrivals: deque[Arrival] = deque()
        self._closed = False
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._arrivals)

    def offer(self, arrival: Arrival, policy: Policy) -> Arrival | None:
        """Put a frame into the queue; the answer is the one that was let go for it, if any.

        With "wait" this blocks until there is room, or until the intake is closed: then the frame is not taken, and its
        source will offer it again. With "newest" it never blocks: the source's own oldest waiting frame goes. Where
        none of its frames waits, the new one is taken beyond the capacity, so that a source with a backlog cannot keep
        a camera out.
        """
        with self._changed:
            if policy == "newest" and len(self._arrivals) >= self.capacity:
                let_go = self._remove_oldest_of(arrival.source)
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

    def take_all(self) -> list[Arrival]:
        """Return what waits now, oldest first, without waiting."""
        with self._changed:
            arrivals = list(self._arrivals)
            self._arrivals.clear()
            self._changed.notify_all()
            return arrivals

    def resize(self, capacity: int) -> None:
        """Hold another number of frames from now on; those that wait stay."""
        with self._changed:
            self.capacity = capacity
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more frames."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _remove_oldest_of(self, source: str) -> Arrival | None:
        for index, waiting in enumerate(self._arrivals):
            if waiting.source == source:
                del self._arrivals[index]
                return waiting
        return None
