"""The folder source's memory: which files have been settled, so that a restart does not inspect them again."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from linecore.errors import ConnectionFailedError

FORGET_AFTER = timedelta(hours=1)
"""How long a file must have been gone. A network share that is unmounted for a moment is not a folder without files."""


class SettledFiles:
    """A set of frame keys on disk, in SQLite.

    A key that was added survives ``kill -9``. A loss of power may take the last ones: those files are offered again
    with the same frame ids, so the history still holds them once. That is why a commit does not wait for the disk
    (``synchronous=NORMAL``), which would cost milliseconds a frame on an SD card.

    Raises:
        ConnectionFailedError: the file cannot be opened, or is no database.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        except sqlite3.Error as error:
            raise ConnectionFailedError(f"{path} cannot be opened: {error}; make its folder writable") from None
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS settled (key TEXT PRIMARY KEY, missing_since REAL) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            self._connection.close()
            raise ConnectionFailedError(
                f"{path} cannot be used: {error}; move it away, and the files that are still there are offered again"
            ) from None

    def add(self, key: str) -> None:
        """Remember a file."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO settled VALUES (?, NULL)", (key,))

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return self._connection.execute("SELECT 1 FROM settled WHERE key = ?", (key,)).fetchone() is not None

    def keys(self) -> set[str]:
        """Return all that is remembered."""
        with self._lock:
            return {key for (key,) in self._connection.execute("SELECT key FROM settled")}

    def forget_missing(self, present: Collection[str], now: datetime) -> None:
        """Forget files that have been gone for :data:`FORGET_AFTER`; *present* are the keys of those that are there."""
        with self._lock:
            rows = dict(self._connection.execute("SELECT key, missing_since FROM settled").fetchall())
            back = [(key,) for key, since in rows.items() if since is not None and key in present]
            gone = [(now.timestamp(), key) for key, since in rows.items() if since is None and key not in present]
            with self._connection:
                self._connection.execute("BEGIN")
                self._connection.executemany("UPDATE settled SET missing_since = NULL WHERE key = ?", back)
                self._connection.executemany("UPDATE settled SET missing_since = ? WHERE key = ?", gone)
                self._connection.execute(
                    "DELETE FROM settled WHERE missing_since <= ?", ((now - FORGET_AFTER).timestamp(),)
                )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()
