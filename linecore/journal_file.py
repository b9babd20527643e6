"""The journal's file: SQLite, one connection, a commit that has reached the disk when it returns.

SQLite up to 3.51.2 can lose pages of a write-ahead log that several connections reset and write at once
(https://sqlite.org/wal.html, "the WAL-reset bug"). The journal keeps out of its way whatever the version: the file is
opened once, locked for as long as it is open (``locking_mode=EXCLUSIVE``), and used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from linecore.packing import Packed

LOCKED_S = 1.0  # how long opening waits for a lock: who has it keeps it, so long as it runs

REMEMBERED = 16_384
"""Frames whose ids are kept after they were settled: more than can be on their way when a line is killed."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, at REAL NOT NULL, body BLOB NOT NULL, pixels BLOB
);
CREATE TABLE IF NOT EXISTS cursor (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settled (seq INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS captured (source TEXT PRIMARY KEY, frames INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
    source TEXT NOT NULL, reason TEXT NOT NULL, frames INTEGER NOT NULL, PRIMARY KEY (source, reason)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY, sink TEXT NOT NULL, at REAL NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, pixels BLOB
);
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_TABLES = ("entry", "cursor", "settled", "captured", "outcome", "dead", "about")
_FORMAT = "1"
_SIZE = "length(name) + length(body) + ifnull(length(pixels), 0)"
_LAST = 2**63 - 1
_VACUUM_PAGES = 65_536  # 256 MB of 4 KB


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery with its place in the journal."""

    seq: int
    at: float  # seconds since 1970 when it was appended
    packed: Packed


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that its sink refused while it took others."""

    id: int
    sink: str
    at: float  # seconds since 1970
    attempts: int
    error: str
    packed: Packed


class JournalFile:
    """What is on disk. Every method may be called from any thread; writes happen inside :meth:`transaction`.

    *path* None keeps everything in memory, for a line that has no folder.

    Raises:
        sqlite3.Error: the file cannot be opened, is in use, or is damaged beyond what can be set aside.
        OSError: its folder cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.set_aside: Path | None = None  # a damaged file that was moved out of the way
        self.salvaged = 0  # entries of the damaged file that could still be read
        self._lock = RLock()
        self._connection = self._open()

    @property
    def began(self) -> datetime:
        """When the journal was made: its ledger counts from here."""
        with self._lock:
            (value,) = self._connection.execute("SELECT value FROM about WHERE key = 'began'").fetchone()
        return datetime.fromisoformat(value)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write what happens inside, all of it or nothing; when it is left, it is on the disk.

        Raises:
            sqlite3.Error: it cannot be written; nothing of it was.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already.
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def clock_set(self) -> float | None:
        """Return when the clock was last set forward by far, in seconds since 1970 by the clock as it was set then."""
        with self._lock:
            found = self._connection.execute("SELECT value FROM about WHERE key = 'clock set'").fetchone()
        return None if found is None else float(found[0])

    def note_clock_set(self, at: float) -> None:
        """Note that the clock was set."""
        self._connection.execute("INSERT OR REPLACE INTO about VALUES ('clock set', ?)", (str(at),))

    # Entries

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, whose numbers follow the last one."""
        self._connection.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)",
            [
                (one.seq, one.packed.kind, one.packed.name, one.at, one.packed.body, one.packed.pixels)
                for one in entries
            ],
        )

    def read(self, after: int, limit: int, *, pixels: bool, max_bytes: int) -> tuple[list[Entry], bool]:
        """Return entries that follow number *after*, oldest first, and whether these are all.

        Up to *limit*, and no more than one beyond *max_bytes*.
        """
        blob = "pixels" if pixels else "NULL"
        query = f"SELECT seq, at, kind, name, body, {blob} FROM entry WHERE seq > ? ORDER BY seq LIMIT ?"
        found: list[Entry] = []
        size = 0
        with self._lock, closing(self._connection.execute(query, (after, limit))) as rows:
            for seq, at, *packed in rows:
                found.append(Entry(seq, at, Packed(*packed)))
                size += found[-1].packed.nbytes
                if size >= max_bytes:
                    return found, False
        return found, len(found) < limit

    def count_entries(self, after: int, until: int, kinds: Collection[str]) -> int:
        """Return how many entries of these kinds follow number *after*, up to *until*."""
        query = f"SELECT count(*) FROM entry WHERE seq > ? AND seq <= ? AND kind IN ({', '.join('?' * len(kinds))})"
        with self._lock:
            (found,) = self._connection.execute(query, (after, until, *kinds)).fetchone()
        return int(found)

    def size(self, until: int | None = None) -> tuple[int, int]:
        """Return how many entries there are, of all or up to number *until*, and their bytes."""
        query = f"SELECT count(*), ifnull(sum({_SIZE}), 0) FROM entry WHERE seq <= ?"
        with self._lock:
            count, size = self._connection.execute(query, (_LAST if until is None else until,)).fetchone()
        return int(count), int(size)

    def oldest(self) -> tuple[int, float] | None:
        """Return number and time of the oldest entry."""
        with self._lock:
            found: tuple[int, float] | None = self._connection.execute(
                "SELECT seq, at FROM entry ORDER BY seq LIMIT 1"
            ).fetchone()
        return found

    def oldest_beyond(self, too_much: int, before: float) -> int | None:
        """Return the number up to which entries must go, so that *too_much* bytes go and all from *before* that time.

        None where nothing must go.
        """
        over: int | None = None
        with self._lock, closing(self._connection.execute(f"SELECT seq, at, {_SIZE} FROM entry ORDER BY seq")) as rows:
            for seq, at, nbytes in rows:
                if too_much <= 0 and at >= before:
                    break
                over, too_much = seq, too_much - nbytes
        return over

    def last_seq(self) -> int:
        """Return the highest number that was ever given, or 0."""
        tables = ("entry", "settled", "cursor")
        with self._lock:
            highest = [self._connection.execute(f"SELECT max(seq) FROM {table}").fetchone()[0] for table in tables]
        return max(seq or 0 for seq in highest)

    def forget_up_to(self, seq: int) -> None:
        """Remove what every sink has."""
        self._connection.execute("DELETE FROM entry WHERE seq <= ?", (seq,))

    # Cursors

    def cursors(self) -> dict[str, int]:
        """Return the number of the last entry that each sink has."""
        with self._lock:
            return dict(self._connection.execute("SELECT sink, seq FROM cursor").fetchall())

    def move_cursors(self, cursors: Mapping[str, int]) -> None:
        """Note what sinks have by now."""
        self._connection.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?)", list(cursors.items()))

    def drop_cursor(self, sink: str) -> None:
        """Forget a sink that the line no longer has."""
        self._connection.execute("DELETE FROM cursor WHERE sink = ?", (sink,))

    # The ledger, and which frames are settled

    def settled(self) -> list[str]:
        """Return the ids of the frames settled last, oldest first."""
        with self._lock:
            return [name for (name,) in self._connection.execute("SELECT name FROM settled ORDER BY seq")]

    def settle(self, frames: Sequence[tuple[int, str]], last_seq: int) -> None:
        """Note the frames, by entry number and id, whose sources may be told."""
        self._connection.executemany("INSERT OR REPLACE INTO settled VALUES (?, ?)", frames)
        self._connection.execute("DELETE FROM settled WHERE seq <= ?", (last_seq - REMEMBERED,))

    def count(self, captured: Mapping[str, int], outcomes: Counter[tuple[str, str]]) -> None:
        """Set how many frames each source has captured, and add how they ended; the reason "" means recorded."""
        self._connection.executemany("INSERT OR REPLACE INTO captured VALUES (?, ?)", list(captured.items()))
        self._connection.executemany(
            "INSERT INTO outcome VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET frames = frames + excluded.frames",
            [(source, reason, frames) for (source, reason), frames in outcomes.items()],
        )

    def counts(self) -> tuple[dict[str, int], Counter[tuple[str, str]]]:
        """Return what :meth:`count` has summed up since the journal began."""
        with self._lock:
            captured = dict(self._connection.execute("SELECT source, frames FROM captured").fetchall())
            rows = self._connection.execute("SELECT source, reason, frames FROM outcome").fetchall()
        return captured, Counter({(source, reason): frames for source, reason, frames in rows})

    # Dead letters

    def bury(self, sink: str, at: float, attempts: int, error: str, packed: Packed) -> None:
        """Put a delivery aside that its sink refuses."""
        self._connection.execute(
            "INSERT INTO dead (sink, at, attempts, error, kind, name, body, pixels) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (sink, at, attempts, error, packed.kind, packed.name, packed.body, packed.pixels),
        )

    def dead(self, sink: str | None = None) -> list[DeadLetter]:
        """Return the dead letters of one sink, or of all, oldest first."""
        columns = "id, sink, at, attempts, error, kind, name, body, pixels"
        query = f"SELECT {columns} FROM dead WHERE sink = ? OR ? ORDER BY id"
        with self._lock:
            rows = self._connection.execute(query, (sink, sink is None)).fetchall()
        return [
            DeadLetter(id, sink, at, attempts, error, Packed(*packed))
            for id, sink, at, attempts, error, *packed in rows
        ]

    def dead_counts(self) -> dict[str, int]:
        """Return how many dead letters each sink has."""
        with self._lock:
            return dict(self._connection.execute("SELECT sink, count(*) FROM dead GROUP BY sink").fetchall())

    def raise_dead(self, ids: Sequence[int]) -> None:
        """Remove dead letters that were delivered after all."""
        self._connection.executemany("DELETE FROM dead WHERE id = ?", [(one,) for one in ids])

    # Opening and closing

    def check(self) -> list[str]:
        """Return what SQLite's integrity check finds; ["ok"] where nothing is wrong."""
        with self._lock:
            return [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check")]

    def close(self) -> None:
        """Close the file; what was committed is there."""
        with self._lock:
            with suppress(sqlite3.Error):
                # Each row that is fetched is a page; a gigabyte that was freed must not hold up the end.
                self._connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            connection = self._connect()
            try:
                sound = connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            except BaseException:
                connection.close()  # else its lock would keep the salvage out
                raise
            if sound:
                return connection
            connection.close()
        except sqlite3.DatabaseError as error:
            # Corrupt and "not a database" mean damage; busy, read-only and full are for the caller to say.
            if self.path is None or getattr(error, "sqlite_errorcode", 0) & 0xFF not in (
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            ):
                raise
        return self._start_over()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:" if self.path is None else self.path,
            isolation_level=None,
            check_same_thread=False,
            timeout=LOCKED_S,
        )
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            connection.executescript(_SCHEMA)
            about = {"format": _FORMAT, "began": datetime.now(UTC).isoformat()}
            connection.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", list(about.items()))
        except BaseException:
            connection.close()
            raise
        return connection

    def _start_over(self) -> sqlite3.Connection:
        """Set a damaged file aside, begin a new one, and take over what can still be read."""
        assert self.path is not None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self.set_aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        for ending in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + ending)
            if part.exists():
                part.replace(self.set_aside.with_name(self.set_aside.name + ending))
        connection = self._connect()
        self.salvaged = _salvage(self.set_aside, connection)
        return connection


def _salvage(damaged: Path, into: sqlite3.Connection) -> int:
    """Copy the rows that can be read; what follows a damaged page of a table is given up."""
    taken = 0
    source = sqlite3.connect(damaged, isolation_level=None)
    into.execute("BEGIN IMMEDIATE")  # one for all of them: each alone would wait for the disk
    try:
        for table in _TABLES:
            with suppress(sqlite3.Error):
                for row in source.execute(f"SELECT * FROM {table}"):
                    into.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
                    taken += table == "entry"
    finally:
        source.close()
        into.execute("COMMIT")
    return taken
