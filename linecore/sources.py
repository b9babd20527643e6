"""The sources of a line, each in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event as Flag
from threading import Lock, Thread

from linecore.bus import Bus
from linecore.events import SourceExhausted
from linecore.inspection import Frame
from linecore.intake import Policy
from linecore.roster import Roster

STOP_S = 7.0  # a source that hangs in a driver is left behind after this; a camera's own time-out is 5 s


class Sources:
    """Takes the frames of every source and hands them to *accept*, with the source's policy."""

    def __init__(
        self,
        roster: Roster,
        bus: Bus,
        *,
        accept: Callable[[Frame, Policy], None],
        failed: Callable[[str, str, BaseException], None],
    ) -> None:
        self.names = tuple(roster.answering("frames"))
        self.exhausted = Flag()  # every source has run dry
        self.broken: list[str] = []  # sources that ended because they raised
        self._roster = roster
        self._bus = bus
        self._accept = accept
        self._failed = failed
        self._stopping = Flag()
        self._lock = Lock()
        self._running = len(self.names)
        self._threads = [
            Thread(target=self._run, args=(name,), name=f"source {name}", daemon=True) for name in self.names
        ]

    def start(self) -> None:
        """Let the frames in."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more frames."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, name: str) -> None:
        """Take one source's frames until it is dry or the line stops."""
        policy: Policy = getattr(self._roster[name], "policy", "wait")
        frames: Iterator[Frame] = iter(())
        try:
            hook = self._roster.caller(name, "frames")
            assert hook is not None
            (frames,) = hook(stopping=self._stopping)
            for frame in frames:
                self._accept(frame, policy)
                if self._stopping.is_set():
                    break
        except BaseException as error:
            self.broken.append(name)
            self._failed(name, "frames", error)
        finally:
            with suppress(BaseException):  # a generator that fails while it is closed has told its last frame already
                getattr(frames, "close", lambda: None)()
            self._bus.publish(SourceExhausted(name))
            with self._lock:
                self._running -= 1
                if not self._running:
                    self.exhausted.set()
