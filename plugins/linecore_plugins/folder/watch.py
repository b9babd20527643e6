"""What changes in a folder, told by the operating system, and looked for from time to time where it does not tell."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event as Flag

from watchfiles import watch

from linecore.clock import Clock
from linecore.text import printable

logger = logging.getLogger(__name__)

EVERYTHING = None
"""Look at the whole folder: at the start, every ``rescan_s``, and whenever events may have been missed."""


class FolderWatch:
    """Tells which paths of a folder have changed.

    *lost* is called with a reason when the folder cannot be watched, and *found* when it can be (again).
    """

    def __init__(
        self,
        folder: Path,
        *,
        recursive: bool,
        rescan_s: float,
        tick_s: float,
        clock: Clock,
        lost: Callable[[str], None],
        found: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._recursive = recursive
        self._rescan_s = rescan_s
        self._tick_s = tick_s
        self._clock = clock
        self._lost = lost
        self._found = found

    def changes(self, stopping: Flag) -> Iterator[frozenset[Path] | None]:
        """Yield the paths that changed, or :data:`EVERYTHING`, at least once a tick, until *stopping* is set."""
        while not stopping.is_set():
            pause = self._rescan_s
            try:
                yield from self._watched(stopping)
                continue
            except OSError as error:  # the folder is gone, a share is unmounted, the system has no more watches
                reason = error.strerror or str(error)
                logger.warning("%s cannot be watched: %s", printable(self._folder), reason)
                self._lost(reason)
            except (RuntimeError, UnicodeError) as error:  # watchfiles cannot tell of a name that is not UTF-8
                logger.info("the watch on %s starts again: %s", printable(self._folder), error)
                pause = self._tick_s
            yield EVERYTHING
            yield from self._ticks(stopping, pause)

    def once(self, stopping: Flag) -> Iterator[frozenset[Path] | None]:
        """Yield :data:`EVERYTHING` first, and then a tick for as long as anybody asks."""
        yield EVERYTHING
        while not stopping.wait(self._tick_s):
            yield frozenset()

    def _watched(self, stopping: Flag) -> Iterator[frozenset[Path] | None]:
        watched = self._identity()
        events = watch(
            self._folder,
            watch_filter=None,
            recursive=self._recursive,
            debounce=200,
            rust_timeout=int(self._tick_s * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            stop_event=stopping,
            ignore_permission_denied=True,
        )
        with closing(events):
            next(events, None)  # the watch is on before the scan, so that nothing falls between the two
            self._found()
            yield EVERYTHING
            scanned = self._clock.monotonic()
            for event in events:
                yield frozenset(Path(path) for _, path in event)
                if self._clock.monotonic() - scanned >= self._rescan_s:
                    if self._identity() != watched:
                        return  # another folder stands there now: the watch is on the old one
                    yield EVERYTHING
                    scanned = self._clock.monotonic()

    def _identity(self) -> tuple[int, int]:
        status = os.stat(self._folder)  # noqa: PTH116
        return status.st_dev, status.st_ino

    def _ticks(self, stopping: Flag, seconds: float) -> Iterator[frozenset[Path]]:
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until and not stopping.wait(self._tick_s):
            yield frozenset()
