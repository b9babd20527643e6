"""Opens a database so that what is committed stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from linecore.errors import ConnectionFailedError
from linecore_db.urls import shown

BUSY_MS = 10_000  # how long SQLite waits for another writer
CHANGES_TRIED = 20

# Seconds (libpq counts its last in milliseconds) after which a server that does not answer counts as gone.
PATIENCE: Mapping[str, Mapping[str, int]] = {
    "postgresql": {"connect_timeout": 5, "tcp_user_timeout": 30_000},
    "mysql": {"connect_timeout": 5, "read_timeout": 30, "write_timeout": 30},
}


def open_database(url: URL, *, read_only: bool = False) -> Engine:
    """Return an engine whose database has answered once.

    Read-only never creates an SQLite file, and changes nothing in it. Otherwise every transaction on SQLite takes the
    write lock when it begins, so that it waits for other writers instead of failing in its middle.

    Raises:
        ConnectionFailedError: the database cannot be used.
    """
    engine = _sqlite(url, read_only) if url.get_backend_name() == "sqlite" else _server(url)
    try:
        with engine.connect() as connection:
            _check_server(connection, url)
    except SQLAlchemyError as error:
        engine.dispose()
        raise cannot_use(url, error) from None
    except ConnectionFailedError:
        engine.dispose()
        raise
    return engine


def cannot_use(url: URL, error: SQLAlchemyError) -> ConnectionFailedError:
    """Return the sentence for a database that does not answer as it should."""
    return ConnectionFailedError(f"the database {shown(url)} cannot be used: {_cause(error)}")


def _sqlite(url: URL, read_only: bool) -> Engine:
    path = Path(str(url.database))
    if not path.parent.is_dir():
        raise ConnectionFailedError(
            f"the database {shown(url)} cannot be used: the folder {path.parent} does not exist; create it"
        )
    if read_only and not path.exists():
        raise ConnectionFailedError(f"there is no database {shown(url)}; a line writes it when it is served")
    engine = create_engine(url)

    if read_only:

        @event.listens_for(engine, "do_connect")
        def ask_for_read_only(
            _dialect: object, _record: object, arguments: list[str], options: dict[str, object]
        ) -> None:
            # Only a URI can ask for it; as_uri() takes care of the signs that mean something there.
            arguments[0] = f"{path.absolute().as_uri()}?mode=ro"
            options["uri"] = True

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where the driver guesses
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Make a new file keep a write-ahead log; one that keeps it already is not changed.

    Changing is the one thing that does not wait while another process has the file locked, because it makes the same
    change. An empty transaction does wait; after it there is usually nothing left to change.
    """
    for _ in range(CHANGES_TRIED):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def _server(url: URL) -> Engine:
    patience = {key: value for key, value in PATIENCE[url.get_backend_name()].items() if key not in url.query}
    return create_engine(url, connect_args=patience, pool_pre_ping=True)


def _check_server(connection: Connection, url: URL) -> None:
    if not connection.dialect.insert_returning:
        found = ".".join(map(str, connection.dialect.server_version_info or ()))
        wish = "MariaDB 10.5" if connection.dialect.name == "mysql" else "SQLite 3.35"
        raise ConnectionFailedError(
            f"the database {shown(url)} cannot be used: it is version {found}, and linecore needs {wish} or newer"
        )


def _cause(error: SQLAlchemyError) -> str:
    """Return the first line of what the driver says: the statement and its values come later."""
    original = error.orig if isinstance(error, DBAPIError) else error
    said = original.args[1] if original is not None and len(original.args) > 1 else original
    return next(iter(str(said).splitlines()), type(error).__name__)
