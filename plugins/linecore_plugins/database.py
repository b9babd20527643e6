"""Sink: the defect history in SQLite, PostgreSQL or MariaDB."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linecore.alarms import Alarm
from linecore.events import FrameDropped, LineStarted
from linecore.hookspecs import hookimpl
from linecore.inspection import Inspection
from linecore_db.recording import close_left_alarms, record, record_alarm
from linecore_db.rows import Row, drop_row
from linecore_db.session import cannot_use, open_database
from linecore_db.upgrade import prepare_schema
from linecore_db.urls import DatabaseUrl

if TYPE_CHECKING:
    from linecore.line import Line

logger = logging.getLogger(__name__)

DROPS_WAITING = 10_000  # a camera at full speed without one inspection for some minutes
DROPS_AT_ONCE = 1000


class DatabaseSink:
    """Records inspections, alarms and dropped frames; what it has taken survives a loss of power."""

    class Config(BaseModel):
        """Its table in line.toml."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        url: DatabaseUrl = Field(
            description="sqlite:///history.db (a file beside this one), postgresql://user:password@host/name or "
            "mariadb://user:password@host/name; an empty database gets its tables"
        )

    pixels = False  # a history keeps no pictures

    def __init__(self, config: Config) -> None:
        self._url = config.url
        self._engine: Engine | None = None
        self._subscriptions: list[Callable[[], None]] = []
        self._drops: deque[Row] = deque()
        self._drops_lock = Lock()
        self.drops_lost = 0  # drops that came too fast to be written; the line's ledger counts them all the same

    @hookimpl
    def start(self, line: Line) -> None:
        """Open the database."""
        self._engine = engine = open_database(self._url)
        prepare_schema(engine)

        def remember(event: FrameDropped) -> None:
            with self._drops_lock:
                if len(self._drops) < DROPS_WAITING:
                    self._drops.append(drop_row(event, line.clock.now()))
                else:
                    self.drops_lost += 1

        def close_alarms(event: LineStarted) -> None:
            # Not before: whoever only checks a line's file must not touch the alarms of the line that is running.
            close_left_alarms(engine, event.line, event.at)

        self._subscriptions = [
            line.bus.subscribe(FrameDropped, remember),
            line.bus.subscribe(LineStarted, close_alarms),
        ]

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch in one transaction, and with it the drops that wait."""
        self._write(inspections)

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Store an alarm's change of state."""
        assert self._engine is not None, "start comes first"
        try:
            record_alarm(self._engine, alarm)
        except SQLAlchemyError as error:
            raise cannot_use(self._url, error) from error

    @hookimpl
    def stop(self) -> None:
        """Store the drops that wait, and close the database."""
        for unsubscribe in self._subscriptions:
            unsubscribe()
        if self._engine is None:
            return
        try:
            while self._drops:
                self._write(())
        finally:
            self._engine.dispose()
            if lost := self.drops_lost + len(self._drops):
                logger.warning("%d dropped frames are not in the history", lost)

    def _write(self, inspections: Sequence[Inspection]) -> None:
        assert self._engine is not None, "start comes first"
        with self._drops_lock:
            drops = list(islice(self._drops, DROPS_AT_ONCE))
        try:
            record(self._engine, inspections, drops)
        except SQLAlchemyError as error:
            raise cannot_use(self._url, error) from error
        with self._drops_lock:
            for _ in drops:
                self._drops.popleft()
