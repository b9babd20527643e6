"""Lets the writers of an SQLite file take turns, from when a transaction begins until its commit is over.

SQLite 3.7.0 to 3.51.2 can lose pages of a file in WAL mode when two connections write and checkpoint at the same
instant (sqlite.org/wal.html, "the WAL-reset bug"). A checkpoint belongs to the commit that sets it off, so writers that
never overlap cannot meet it, whatever the release. What takes turns is the folder of the file, by flock: no file more,
no right but to read it, and a process that dies gives its turn back.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

WAIT_S = 10.0  # for others; then it is "locked", as SQLite says it
LOOK_S = 0.001


class Turn:
    """The right to write, of one connection; taking it again while it is held changes nothing."""

    def __init__(self, file: Path) -> None:
        self._folder = file.parent
        self._held: int | None = None

    def take(self) -> None:
        """Wait for the others.

        Raises:
            sqlite3.OperationalError: they take longer than :data:`WAIT_S`.
        """
        if self._held is not None:
            return
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._wait(descriptor)
            self._held = descriptor
        except BaseException:  # also where a sink's turn ends here: it must not keep the file from all others
            self._held = None
            os.close(descriptor)
            raise

    def _wait(self, descriptor: int) -> None:
        until = time.monotonic() + WAIT_S
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > until:
                raise sqlite3.OperationalError("database is locked by another linecore")
            time.sleep(LOOK_S)

    def give_back(self) -> None:
        """Let the next one write."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
