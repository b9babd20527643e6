"""Sink: the defect history in SQLite, PostgreSQL or MariaDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linecore.alarms import Alarm
from linecore.errors import ConnectionFailedError
from linecore.hookspecs import hookimpl
from linecore.inspection import Inspection
from linecore.log import STARTED, LogEntry
from linecore_db.failures import failure
from linecore_db.recording import close_left_alarms, record, record_alarm, record_log
from linecore_db.session import ANSWER_S, open_database
from linecore_db.upgrade import prepare_schema
from linecore_db.urls import DatabaseUrl


class DatabaseSink:
    """Records inspections, alarms and the line's log; what it has taken survives a loss of power."""

    class Config(BaseModel):
        """Its table in line.toml."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        url: DatabaseUrl = Field(
            repr=False,
            description="sqlite:///history.db (a file beside this one), postgresql://user:password@host/name or "
            "mariadb://user:password@host/name; an empty database gets its tables",
        )

    pixels = False

    def __init__(self, config: Config) -> None:
        self._url = config.url
        self._engine: Engine | None = None

    @hookimpl
    def start(self) -> None:
        """Open the database."""
        self._engine = open_database(self._url, answer_s=ANSWER_S)
        prepare_schema(self._engine)

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch in one transaction."""
        with self._opened() as engine:
            record(engine, inspections)

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Store an alarm's change of state."""
        with self._opened() as engine:
            record_alarm(engine, alarm)

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        """Store what happened to the line, in one transaction; where it has started, clear the alarms left raised."""
        with self._opened() as engine:
            record_log(engine, entries)
            for entry in entries:
                # Only here, in the order of the journal: alarms of the earlier run may have come but now.
                if entry.kind == STARTED:
                    close_left_alarms(engine, entry.line, entry.at)

    @hookimpl
    def stop(self) -> None:
        """Close the database."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def _opened(self) -> Iterator[Engine]:
        """Give the database for one transaction, and tell an outage from what is never stored."""
        assert self._engine is not None, "start comes first"
        try:
            yield self._engine
        except SQLAlchemyError as error:
            problem = failure(self._url, error)
            if isinstance(problem, ConnectionFailedError):
                # A server that has become a standby answers on the old connections; new ones find its successor.
                self._engine.dispose()
            raise problem from error
