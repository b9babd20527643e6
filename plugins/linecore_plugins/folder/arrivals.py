"""Files that may still be being written: each waits until nobody has changed it for a while."""

from __future__ import annotations

from collections.abc import Iterable

from linecore.clock import Clock
from linecore_plugins.folder.files import ImageFile

_LONG_AGO_S = 60.0
"""A file that its own disk says was last touched longer ago than this is not being written; clocks of file servers
differ from ours by less."""


class Arrivals:
    """Holds the newest known version of each file until it has stayed the same for *settle_s* seconds."""

    def __init__(self, settle_s: float, clock: Clock) -> None:
        self._settle_s = settle_s
        self._clock = clock
        self._waiting: dict[str, tuple[ImageFile, float]] = {}  # relative path -> version, and unchanged since when

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, files: Iterable[ImageFile]) -> None:
        """Take note of files as they are now; a version that is known already goes on waiting."""
        now, time_of_day = self._clock.monotonic(), self._clock.now().timestamp()
        for file in files:
            known = self._waiting.get(file.relative)
            if known is None or known[0] != file:
                old = time_of_day - file.touched > self._settle_s + _LONG_AGO_S
                self._waiting[file.relative] = (file, now - self._settle_s if old else now)

    def take_complete(self) -> list[ImageFile]:
        """Take those out that have waited long enough."""
        now = self._clock.monotonic()
        complete = [file for file, since in self._waiting.values() if now - since >= self._settle_s]
        for file in complete:
            del self._waiting[file.relative]
        return complete
