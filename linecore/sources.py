"""The sources of a line, each in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag
from threading import Lock, Thread

from linecore.bus import Bus
from linecore.events import SourceExhausted
from linecore.inspection import Frame
from linecore.intake import Policy
from linecore.roster import Roster

STOP_S = 7.0  # a source that hangs in a driver is left behind after this; a camera's own time-out is 5 s


@dataclass(slots=True, eq=False)
class _Running:
    thread: Thread
    stopping: Flag


class Sources:
    """Takes the frames of every source and hands them to *accept*, with the source's policy and its name."""

    def __init__(
        self,
        bus: Bus,
        *,
        accept: Callable[[Frame, Policy, str, Flag], None],
        failed: Callable[[str, str, BaseException], None],
    ) -> None:
        self.exhausted = Flag()  # every source has run dry
        self.broken: list[str] = []  # sources that ended because they raised
        self._bus = bus
        self._accept = accept
        self._failed = failed
        self._lock = Lock()
        self._running: dict[str, _Running] = {}

    @property
    def running(self) -> list[str]:
        """The names of the sources that may yield more frames."""
        with self._lock:
            return list(self._running)

    def start(self, roster: Roster, names: Iterable[str]) -> None:
        """Let the frames of these sources in."""
        begun = []
        with self._lock:
            for name in names:
                stopping = Flag()
                thread = Thread(target=self._run, args=(roster, name, stopping), name=f"source {name}", daemon=True)
                self._running[name] = _Running(thread, stopping)
                begun.append(thread)
                if name in self.broken:
                    self.broken.remove(name)
            if begun:
                self.exhausted.clear()
        for thread in begun:
            thread.start()
        if not self.running:
            self.exhausted.set()

    def stop(self, names: Iterable[str] | None = None) -> None:
        """Take no more frames, from any source or from those of *names*."""
        with self._lock:
            ending = [one for name, one in self._running.items() if names is None or name in names]
        for one in ending:
            one.stopping.set()
        deadline = time.monotonic() + STOP_S
        for one in ending:
            one.thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, roster: Roster, name: str, stopping: Flag) -> None:
        """Take one source's frames until it is dry or has to stop."""
        policy: Policy = getattr(roster[name], "policy", "wait")
        frames: Iterator[Frame] = iter(())
        try:
            answer = roster.ask(name, "frames", stopping=stopping)
            frames = iter(answer)  # type: ignore[call-overload]  # what is no iterable is the plugin's mistake
            for frame in frames:
                self._accept(frame, policy, name, stopping)
                if stopping.is_set():
                    break
        except BaseException as error:
            self.broken.append(name)
            roster.note_failure(name, error)
            self._failed(name, "frames", error)
        finally:
            with suppress(BaseException):  # a generator that fails while it is closed has told its last frame already
                getattr(frames, "close", lambda: None)()
            self._bus.publish(SourceExhausted(name))
            with self._lock:
                if name in self._running and self._running[name].stopping is stopping:
                    del self._running[name]
                if not self._running:
                    self.exhausted.set()
