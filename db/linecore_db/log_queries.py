"""Reads what happened to the lines: the log, and the dropped frames that have a table of their own."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Engine, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from linecore.log import DROPPED, LogEntry
from linecore_db.columns import name
from linecore_db.schema import DroppedFrameRow, LogRow

PAGE = 1000


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries are meant: those that agree with everything that is set."""

    line: str | None = None
    source: str | None = None
    kind: str | None = None
    since: datetime | None = None  # happened then or later
    until: datetime | None = None  # happened before then


def find_log(
    engine: Engine, wanted: LogFilter, *, limit: int | None = None, oldest_first: bool = False, page: int = PAGE
) -> Iterator[LogEntry]:
    """Yield the entries that are meant, newest first, page by page as :func:`linecore_db.queries.find` does."""
    streams = [_entries(engine, wanted, oldest_first, page)]
    if wanted.kind in (None, DROPPED):
        streams.append(_drops(engine, wanted, oldest_first, page))
    merged = heapq.merge(*streams, key=lambda entry: entry.at, reverse=not oldest_first)
    return islice(merged, limit)


def _entries(engine: Engine, wanted: LogFilter, oldest_first: bool, page: int) -> Iterator[LogEntry]:
    same_kind = [] if wanted.kind is None else [LogRow.kind == name(wanted.kind)]
    for row in _rows(engine, LogRow, LogRow.at, wanted, same_kind, oldest_first, page):
        yield LogEntry(row.id, row.line, row.at, row.kind, row.message, row.source, row.detail)


def _drops(engine: Engine, wanted: LogFilter, oldest_first: bool, page: int) -> Iterator[LogEntry]:
    for row in _rows(engine, DroppedFrameRow, DroppedFrameRow.dropped_at, wanted, [], oldest_first, page):
        detail = {
            "frame_id": row.frame_id,
            "sequence": row.sequence,
            "captured_at": row.captured_at.isoformat(),
            "reason": row.reason,
        }
        message = f"{row.frame_id} was dropped: {row.reason}"
        yield LogEntry(f"drop {row.id}", row.line, row.dropped_at, DROPPED, message, row.source, detail)


def _rows(
    engine: Engine,
    table: Any,
    at: InstrumentedAttribute[datetime],
    wanted: LogFilter,
    conditions: list[ColumnElement[bool]],
    oldest_first: bool,
    page: int,
) -> Iterator[Any]:
    query = select(table).where(*conditions).limit(page)
    if wanted.line is not None:
        query = query.where(table.line == name(wanted.line))
    if wanted.source is not None:
        query = query.where(table.source == name(wanted.source))
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    if wanted.until is not None:
        query = query.where(at < wanted.until)
    query = query.order_by(at, table.id) if oldest_first else query.order_by(at.desc(), table.id.desc())
    last: tuple[datetime, Any] | None = None
    while True:
        following = query
        if last is not None:
            then, key = last
            if oldest_first:
                following = query.where(at >= then, or_(at > then, table.id > key))
            else:
                following = query.where(at <= then, or_(at < then, table.id < key))
        with Session(engine) as session:
            rows = session.scalars(following).all()
        yield from rows
        if len(rows) < page:
            return
        last = getattr(rows[-1], at.key), rows[-1].id
