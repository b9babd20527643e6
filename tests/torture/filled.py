"""Two databases full of inspections, gone afterwards: a file of SQLite's, and a server of PostgreSQL's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select

from linecore_db.schema import InspectionRow
from linecore_db.session import open_database
from linecore_db.upgrade import upgrade_schema
from linecore_db.urls import parse_url
from tests.db.private_postgresql import private_postgresql
from tests.torture.filling import fill

POSTGRESQL = ("shared_buffers=1GB", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=8GB")


@dataclass(frozen=True, slots=True)
class Database:
    """One of the two, filled."""

    name: str
    url: str
    evidence: Path  # the folder of its files
    forget: Callable[[], None]  # drop what memory holds of it

    def open(self) -> Engine:
        """Open it as a command does that only asks."""
        return open_database(parse_url(self.url), read_only=True)


def newest_and_rows(engine: Engine) -> tuple[datetime, int]:
    """Return when the last frame was captured, and how many there are."""
    with engine.connect() as connection:
        newest, rows = connection.execute(select(func.max(InspectionRow.captured_at), func.max(InspectionRow.id))).one()
    return newest, rows


@contextmanager
def sqlite_database(folder: Path, rows: int) -> Iterator[Database]:
    """Fill a file."""
    file, evidence = folder / "history.db", folder / "evidence"
    url = f"sqlite:///{file}"
    _fill(url, rows, evidence)
    yield Database(f"SQLite {sqlite3.sqlite_version}", url, evidence, lambda: drop_from_memory([file]))


@contextmanager
def postgresql_database(folder: Path, rows: int) -> Iterator[Database]:
    """Fill a server of its own."""
    with private_postgresql(folder, POSTGRESQL) as server:
        evidence = folder / "evidence"
        _fill(server.url, rows, evidence)

        def forget() -> None:
            server.stop()
            drop_from_memory(path for path in server.data.rglob("*") if path.is_file())
            server.start()

        yield Database(f"PostgreSQL {server.version}", server.url, evidence, forget)


def _fill(url: str, rows: int, evidence: Path) -> None:
    engine = open_database(parse_url(url), answer_s=None)
    upgrade_schema(engine)
    fill(engine, rows, datetime.now(UTC), evidence)
    engine.dispose()


def drop_from_memory(files: Iterable[Path]) -> None:
    """Ask the system to forget what it holds of files."""
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
