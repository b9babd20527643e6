"""Brings a database's tables to what this release needs: alembic's migrations, shipped with the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from linecore.errors import ConnectionFailedError
from linecore_db.failures import cannot_use
from linecore_db.schema import Base
from linecore_db.urls import shown

VERSION_TABLE = "linecore_version"  # alembic's own name for it may be another program's, in a shared database
MIGRATIONS = Path(__file__).parent / "migrations"

# Held by the connection, so that they end with it when the process dies; 1818848869 spells "line".
_LOCKS = {
    "postgresql": ("SELECT pg_advisory_lock(1818848869)", "SELECT pg_advisory_unlock(1818848869)"),
    "mysql": (
        "SELECT GET_LOCK(CONCAT('linecore.', DATABASE()), 60)",
        "SELECT RELEASE_LOCK(CONCAT('linecore.', DATABASE()))",
    ),
}


class Schema(Enum):
    """How a database's tables stand to this release."""

    EMPTY = "empty"
    FOREIGN = "foreign"  # no version, but tables with our names
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def latest_version() -> str:
    """Return the version of the schema that this release needs."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None, "the migrations are part of the package"
    return head


def schema_version(connection: Connection) -> str | None:
    """Return the version of the tables that are there, or None where there are none."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def schema_of(connection: Connection) -> Schema:
    """Compare the tables that are there with what this release needs."""
    version = schema_version(connection)
    if version is None:
        return Schema.FOREIGN if _taken_names(connection) else Schema.EMPTY
    scripts = ScriptDirectory(str(MIGRATIONS))
    if version == scripts.get_current_head():
        return Schema.CURRENT
    known = {script.revision for script in scripts.walk_revisions()}
    return Schema.OLDER if version in known else Schema.NEWER


def upgrade_schema(engine: Engine) -> tuple[str | None, str]:
    """Run the migrations that are missing; return the version before and after.

    Several processes may do this at once: one works, the others wait for it and find nothing left to do.

    Raises:
        ConnectionFailedError: the database does not let itself be upgraded.
    """
    try:
        with engine.connect() as connection, _alone(connection), connection.begin():
            schema, before = schema_of(connection), schema_version(connection)
            if schema in (Schema.FOREIGN, Schema.NEWER):
                raise _refusal(engine, connection, schema)
            if schema is not Schema.CURRENT:
                _migrate(connection)
            return before, latest_version()
    except SQLAlchemyError as error:
        raise cannot_use(engine.url, error) from None


def require_schema(engine: Engine) -> None:
    """Make sure that the tables are those of this release.

    Raises:
        ConnectionFailedError: they are not; the sentence says what to do.
    """
    try:
        with engine.connect() as connection:
            schema = schema_of(connection)
            if schema is not Schema.CURRENT:
                raise _refusal(engine, connection, schema)
    except SQLAlchemyError as error:
        raise cannot_use(engine.url, error) from None


def prepare_schema(engine: Engine) -> None:
    """Fill an empty database with tables, and leave one that holds rows of an older release to a person.

    Raises:
        ConnectionFailedError: the tables are not those of this release; the sentence says what to do.
    """
    try:
        with engine.connect() as connection:
            schema = schema_of(connection)
            if schema is Schema.OLDER:
                # Perhaps another line is just filling it, and has come to its first version: its lock will tell.
                with _alone(connection):
                    schema = schema_of(connection)
    except SQLAlchemyError as error:
        raise cannot_use(engine.url, error) from None
    # So may tables without a version be another line's work, which this waits for.
    if schema in (Schema.EMPTY, Schema.FOREIGN):
        upgrade_schema(engine)
    require_schema(engine)


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "head")


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keep other processes from migrating until the transaction inside is over.

    SQLite needs no more than the write lock that its transactions begin with.
    """
    lock, unlock = _LOCKS.get(connection.dialect.name, ("", ""))
    if lock:
        connection.execute(text(lock))
        connection.commit()
    try:
        yield
    finally:
        if unlock:
            connection.execute(text(unlock))
            connection.commit()


def _taken_names(connection: Connection) -> list[str]:
    return sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))


def _refusal(engine: Engine, connection: Connection, schema: Schema) -> ConnectionFailedError:
    where, version = shown(engine.url), schema_version(connection)
    match schema:
        case Schema.EMPTY:
            return ConnectionFailedError(
                f"the database {where} holds no history yet; a line writes it when it is served"
            )
        case Schema.FOREIGN:
            names = ", ".join(_taken_names(connection))
            return ConnectionFailedError(
                f"the database {where} holds tables that linecore did not finish: {names}; drop them, or name a "
                "database of linecore's own"
            )
        case Schema.NEWER:
            return ConnectionFailedError(
                f"the database {where} was written by a newer linecore (its schema is {version}, this release knows "
                f"{latest_version()}); update linecore"
            )
        case _:
            return ConnectionFailedError(
                f"the database {where} was written by an older linecore (its schema is {version}, this release needs "
                f"{latest_version()}); run: linecore db upgrade {where}"
            )
