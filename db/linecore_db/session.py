"""Opens a database so that what is committed stays."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from linecore.errors import ConnectionFailedError
from linecore_db.failures import cannot_use
from linecore_db.turns import Turn
from linecore_db.urls import shown

BUSY_MS = 10_000  # how long SQLite waits for another writer
CHANGES_TRIED = 20

ANSWER_S = 30.0  # how long a server may take to answer before it counts as gone
CONNECT_S = 5


def open_database(url: URL, *, read_only: bool = False, answer_s: float | None = ANSWER_S) -> Engine:
    """Return an engine whose database has answered once.

    Read-only never creates an SQLite file, and changes nothing in it. Otherwise every transaction on SQLite takes the
    write lock when it begins, so that it waits for other writers instead of failing in its middle, and no two of
    linecore's ever write at once. A server that leaves a statement without an answer for *answer_s* seconds counts as
    gone; None waits for ever, as a migration of a large history must.

    Raises:
        ConnectionFailedError: the database cannot be used.
    """
    engine = _sqlite(url, read_only) if url.get_backend_name() == "sqlite" else _server(url, answer_s)
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
    def prepare(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where the driver guesses
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            record.info["turn"] = Turn(path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not read_only:
            connection.info["turn"].take()
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def end(_connection: object, record: ConnectionPoolEntry) -> None:
        if not read_only:
            record.info["turn"].give_back()

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


def _server(url: URL, answer_s: float | None) -> Engine:
    limits: dict[str, float | str] = {"connect_timeout": CONNECT_S}
    if url.get_backend_name() == "mysql":
        limits["init_command"] = "SET SESSION max_error_count = 65535"  # whose warnings recording.py reads
        limits |= {} if answer_s is None else {"read_timeout": answer_s, "write_timeout": answer_s}
    else:
        limits |= {"tcp_user_timeout": int((answer_s or 0) * 1000)}  # milliseconds; 0 is the system's own
    chosen = {key: value for key, value in limits.items() if key not in url.query}
    engine = create_engine(url, connect_args=chosen, pool_pre_ping=True)
    if url.get_backend_name() == "postgresql" and answer_s is not None:

        @event.listens_for(engine, "do_connect")
        def patiently(_dialect: object, _record: object, arguments: list[str], options: dict[str, object]) -> object:
            from linecore_db.patience import connect  # psycopg is an extra

            return connect(answer_s, *arguments, **options)

    return engine


def _check_server(connection: Connection, url: URL) -> None:
    if not connection.dialect.insert_returning:
        found = ".".join(map(str, connection.dialect.server_version_info or ()))
        wish = "MariaDB 10.5" if connection.dialect.name == "mysql" else "SQLite 3.35"
        raise ConnectionFailedError(
            f"the database {shown(url)} cannot be used: it is version {found}, and linecore needs {wish} or newer"
        )
