"""The threads that inspect, and what becomes of one that a plugin does not give back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread

from linecore.clock import Clock
from linecore.intake import Arrival, Intake
from linecore.turns import Turn, TurnEnded

Unwatched = Callable[[], AbstractContextManager[None]]
"""What a worker does inside is the line's own work, and may take its time."""

REPLACED = 4  # workers that may hang for each that the line has; more would fill the memory with threads


@dataclass(eq=False)
class _Worker:
    number: int
    thread: Thread
    arrival: Arrival | None = None
    since: float = 0.0
    left_behind: bool = False
    turn: Turn = field(default_factory=Turn)
    lock: Lock = field(default_factory=Lock)

    def busy_with(self, arrival: Arrival | None, now: float) -> None:
        """Say what the worker is busy with, or that it has no plugin's call to return from.

        Raises:
            TurnEnded: it was left behind in the meantime: another has its place.
        """
        with self.lock:
            if self.left_behind:
                raise TurnEnded
            self.arrival, self.since = arrival, now


class Workers:
    """Inspects what the intake holds, in *count* threads.

    *inspect* is called with each arrival, and a context for what must not be broken off. One that has not returned for
    *timeout_s* is left behind: *stuck* is told the arrival and the seconds, and another thread takes the place.
    """

    def __init__(
        self,
        count: int,
        intake: Intake,
        *,
        inspect: Callable[[Arrival, Unwatched], None],
        stuck: Callable[[Arrival, float], None],
        timeout_s: float,
        clock: Clock,
    ) -> None:
        self.count = count
        self.timeout_s = timeout_s
        self._intake = intake
        self._inspect = inspect
        self._stuck = stuck
        self._clock = clock
        self._lock = Lock()
        self._workers: list[_Worker] = []
        self._numbers = 0
        self._ending = False

    @property
    def left_behind(self) -> int:
        """How many threads hang in a plugin."""
        with self._lock:
            return sum(one.left_behind for one in self._workers)

    @property
    def all_hang(self) -> bool:
        """True where no worker is left to take a frame, and none may be added."""
        with self._lock:
            return bool(self._workers) and all(one.left_behind for one in self._workers)

    def forgive(self) -> None:
        """Have full strength again, whatever hangs: the plugins that it hangs in are gone."""
        with self._lock:
            self._workers = [one for one in self._workers if not one.left_behind]
            self._fill_up()

    def start(self) -> None:
        """Begin to inspect."""
        with self._lock:
            self._fill_up()

    def resize(self, count: int) -> None:
        """Have another number of workers; those that are too many end after their next frame."""
        with self._lock:
            self.count = count
            self._fill_up()

    def check(self) -> None:
        """Leave behind who has been busy with one frame for too long; to be called now and then."""
        now = self._clock.monotonic()
        with self._lock:
            busy = list(self._workers)
        for worker in busy:
            with worker.lock:
                arrival, since = worker.arrival, worker.since
                if arrival is None or worker.left_behind or now - since < self.timeout_s:
                    continue
                worker.left_behind = True
                worker.turn.end()
            self._stuck(arrival, now - since)
        with self._lock:
            # Also those that could not be replaced while too many hung.
            if not self._ending or len(self._intake):
                self._fill_up()

    def join(self, deadline: float) -> None:
        """Wait until the closed intake is empty, at most until *deadline* of the line's clock."""
        self._ending = True
        while True:
            with self._lock:
                alive = [one for one in self._workers if one.thread.is_alive() and not one.left_behind]
            if not alive or self._clock.monotonic() >= deadline:
                return
            alive[0].thread.join(min(0.25, max(0.0, deadline - self._clock.monotonic())))
            self.check()

    def _fill_up(self) -> None:
        behind = sum(one.left_behind for one in self._workers)
        while len(self._workers) - behind < self.count and behind <= REPLACED * self.count:
            self._add()

    def _add(self) -> None:
        self._numbers += 1
        worker = _Worker(self._numbers, Thread(name=f"worker {self._numbers}", daemon=True))
        worker.thread = Thread(target=self._work, args=(worker,), name=f"worker {self._numbers}", daemon=True)
        self._workers.append(worker)
        worker.thread.start()

    def _work(self, worker: _Worker) -> None:
        worker.turn.begin()
        try:
            self._take_turns(worker)
        except TurnEnded:
            pass  # another worker has the place
        finally:
            self._forget(worker)

    def _take_turns(self, worker: _Worker) -> None:
        @contextmanager
        def unwatched() -> Iterator[None]:
            worker.busy_with(None, self._clock.monotonic())
            yield
            worker.busy_with(arrival, self._clock.monotonic())

        while not self._is_one_too_many(worker) and (arrival := self._intake.take()):
            worker.busy_with(arrival, self._clock.monotonic())
            self._inspect(arrival, unwatched)
            worker.busy_with(None, self._clock.monotonic())

    def _forget(self, worker: _Worker) -> None:
        with self._lock:
            if worker in self._workers:
                self._workers.remove(worker)

    def _is_one_too_many(self, worker: _Worker) -> bool:
        with self._lock:
            at_work = [one for one in self._workers if not one.left_behind]
            if worker in at_work and len(at_work) > self.count:
                self._workers.remove(worker)
                return True
            return False
