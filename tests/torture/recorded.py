"""Reads the history of a line while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tests.torture.steel import frame_number


class History:
    """What is in the database at *url* by now; a database that is away, or not there yet, holds nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self) -> int:
        """Return how many rows there are."""
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(text("SELECT count(*) FROM inspection")).scalar_one())
        except SQLAlchemyError:
            return 0

    def numbers(self) -> list[int]:
        """Return the number of each row's frame, in the order in which they were written."""
        with self._engine.connect() as connection:
            found = connection.execute(text("SELECT frame_id FROM inspection ORDER BY id"))
            return [frame_number(frame_id) for (frame_id,) in found]

    def deliveries(self) -> list[tuple[int, bool]]:
        """Return each row's frame, and whether the row says that it was buffered, in the order in which they came."""
        with self._engine.connect() as connection:
            has_mark = any(one["name"] == "buffered" for one in inspect(connection).get_columns("inspection"))
            mark = "buffered" if has_mark else "0"
            found = connection.execute(text(f"SELECT frame_id, {mark} FROM inspection ORDER BY id"))
            return [(frame_number(frame_id), bool(buffered)) for frame_id, buffered in found]

    def evidence(self) -> list[str]:
        """Return the path of every file that a row names."""
        with self._engine.connect() as connection:
            return [path for (path,) in connection.execute(text("SELECT path FROM evidence"))]


@contextmanager
def open_history(url: str, folder: Path) -> Iterator[History]:
    """Open a history to read; a relative path of SQLite's counts from *folder*, as it does for a line."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        address = address.set(database=str(folder / str(address.database)))
    elif address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(address, poolclass=NullPool)
    try:
        yield History(engine)
    finally:
        engine.dispose()
