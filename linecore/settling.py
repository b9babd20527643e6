"""Tells the sources what became of their frames: one thread a source, so that one that hangs holds up no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from threading import Condition, Thread

from linecore.inspection import NOT_DECODED, Frame
from linecore.ledger import Outcome
from linecore.turns import TurnEnded, Turns, TurnTimeoutError

BATCH = 100  # settlements in one turn
BACKLOG = 1000  # settlements that wait, beyond which the source is held back


class Settling:
    """Settles the frames of one source, in order, in a thread of its own."""

    def __init__(
        self,
        source: str,
        settle: Callable[[Frame, Outcome], object],
        *,
        timeout_s: float,
        failed: Callable[[str, str, BaseException], None],
    ) -> None:
        self._source = source
        self._settle = settle
        self._timeout_s = timeout_s
        self._failed = failed
        self._changed = Condition()
        self._waiting: deque[tuple[Frame, Outcome]] = deque()
        self._closing = False
        self._turns = Turns(f"settle {source}")
        self._thread = Thread(target=self._run, name=f"settling {source}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, frame: Frame, outcome: Outcome) -> None:
        """Settle a frame soon; never waits. Its pixels are not kept for that long."""
        with self._changed:
            self._waiting.append((replace(frame, image=NOT_DECODED, encoded=None), outcome))
            self._changed.notify_all()

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until the source has been told enough to take more of its frames."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._waiting) < BACKLOG or self._closing, timeout_s)

    def wait_until_told(self, timeout_s: float) -> bool:
        """Wait until the source has been told everything so far."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, max(0.0, timeout_s))

    def close(self, timeout_s: float) -> None:
        """Settle what waits, at most for *timeout_s*."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(0.0, timeout_s))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
            if not batch:
                break
            left = deque(batch)
            try:
                self._turns.take(lambda left=left: self._settle_all(left), self._timeout_s)  # type: ignore[misc]  # a default binds it
            except TurnTimeoutError as error:
                # The one that hangs is given up: its source offers the frame again, and is answered at once.
                self._failed(self._source, "settle", error)
                done = max(1, len(batch) - len(left))
            else:
                done = len(batch)
            with self._changed:
                for _ in range(done):
                    self._waiting.popleft()
                self._changed.notify_all()
        self._turns.close()

    def _settle_all(self, left: deque[tuple[Frame, Outcome]]) -> None:
        while left:
            frame, outcome = left.popleft()
            try:
                self._settle(frame, outcome)
            except TurnEnded:
                raise
            except BaseException as error:  # a plugin that wants to exit must not take the thread along
                self._failed(self._source, "settle", error)
