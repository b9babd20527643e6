"""Sink: the defect history in SQLite, PostgreSQL or MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linecore.alarms import Alarm
from linecore.errors import ConnectionFailedError
from linecore.events import LineStarted
from linecore.hookspecs import hookimpl
from linecore.inspection import Inspection
from linecore.log import LogEntry
from linecore_db.failures import failure
from linecore_db.recording import close_left_alarms, record, record_alarm, record_log
from linecore_db.session import ANSWER_S, open_database
from linecore_db.upgrade import prepare_schema
from linecore_db.urls import DatabaseUrl

if TYPE_CHECKING:
    from linecore.line import Line


class DatabaseSink:
    """Records inspections, alarms and the line's log; what it has taken survives a loss of power."""

    class Config(BaseModel):
        """Its table in line.toml."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        url: DatabaseUrl = Field(
            description="sqlite:///history.db (a file beside this one), postgresql://user:password@host/name or "
            "mariadb://user:password@host/name; an empty database gets its tables"
        )

    pixels = False

    def __init__(self, config: Config) -> None:
        self._url = config.url
        self._engine: Engine | None = None
        self._unsubscribe: Callable[[], None] | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Open the database."""
        self._engine = engine = open_database(self._url, answer_s=ANSWER_S)
        prepare_schema(engine)

        def close_alarms(event: LineStarted) -> None:
            # Not before: whoever only checks a line's file must not touch the alarms of the line that is running.
            close_left_alarms(engine, event.line, event.at)

        self._unsubscribe = line.bus.subscribe(LineStarted, close_alarms)

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
        """Store what happened to the line, in one transaction."""
        with self._opened() as engine:
            record_log(engine, entries)

    @hookimpl
    def stop(self) -> None:
        """Close the database."""
        if self._unsubscribe is not None:
            self._unsubscribe()
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
