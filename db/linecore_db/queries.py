"""Reads the history: typed filters in, rows out; every way to ask has an index that keeps it fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, Engine, Select, func, or_, select, text, union_all
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_dict

from linecore.inspection import Part
from linecore_db.columns import name, storable_id, utc
from linecore_db.rows import hour_of
from linecore_db.schema import EvidenceRow, InspectionRow, RegionRow, TallyRow

PAGE = 1000
LAST_HOUR = hour_of(datetime.max.replace(tzinfo=UTC))
ANY_PART = Part()
Belonging = TypeVar("Belonging", RegionRow, EvidenceRow)


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which inspections are meant: those that agree with everything that is set."""

    line: str | None = None
    source: str | None = None
    label: str | None = None
    decision: str | None = None
    since: datetime | None = None  # captured then or later
    until: datetime | None = None  # captured before then
    part: Part = ANY_PART
    frame_id: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many frames have one decision and label."""

    decision: str
    label: str | None
    frames: int


def find(
    engine: Engine, wanted: HistoryFilter, *, limit: int | None = None, oldest_first: bool = False, page: int = PAGE
) -> Iterator[InspectionRow]:
    """Yield the inspections that are meant, newest first, with their regions and evidence.

    Read page by page, each in a short transaction of its own: a history of any size passes through, and no reader
    holds up the line that writes.
    """
    left = limit
    last: InspectionRow | None = None
    while left is None or left > 0:
        size = page if left is None else min(page, left)
        with Session(engine) as session:
            rows = session.scalars(select_page(wanted, size, last, oldest_first=oldest_first)).all()
            _attach(session, rows, RegionRow, "regions")
            _attach(session, rows, EvidenceRow, "evidence")
        yield from rows
        if len(rows) < size:
            return
        last, left = rows[-1], None if left is None else left - size


def select_page(
    wanted: HistoryFilter, size: int, after: InspectionRow | None = None, *, oldest_first: bool = False
) -> Select[InspectionRow]:
    """Return the query for the *size* inspections that follow *after*."""
    at, key = InspectionRow.captured_at, InspectionRow.id
    query = select(InspectionRow).where(*_conditions(wanted)).limit(size)
    if oldest_first:
        if after is not None:
            query = query.where(at >= after.captured_at, or_(at > after.captured_at, key > after.id))
        return query.order_by(at, key)
    if after is not None:
        query = query.where(at <= after.captured_at, or_(at < after.captured_at, key < after.id))
    return query.order_by(at.desc(), key.desc())


def _attach(session: Session, rows: Sequence[InspectionRow], table: type[Belonging], key: str) -> None:
    """Load what belongs to *rows* in one query.

    As SQLAlchemy's `selectinload` does, with less to do: the keys are numbers of the database's own and need not travel
    as a thousand parameters, and nobody changes these lists.
    """
    if not rows:
        return
    keys = ", ".join(str(row.id) for row in rows)
    query = select(table).where(text(f"inspection_id IN ({keys})")).order_by(table.inspection_id, table.ordinal)
    found: dict[int, list[Belonging]] = {row.id: [] for row in rows}
    for each in session.scalars(query):
        found[each.inspection_id].append(each)
    for row in rows:
        instance_dict(row)[key] = found[row.id]


def count(engine: Engine, wanted: HistoryFilter) -> list[Count]:
    """Return how many frames have each decision and label, the most frequent first."""
    with engine.connect() as connection:
        return [
            Count(row.decision, row.label or None, int(row.frames)) for row in connection.execute(select_counts(wanted))
        ]


def select_counts(wanted: HistoryFilter) -> Select[str, str, int]:
    """Return the query for the counts: from the sums of whole hours as far as they know what is asked for.

    The hours at both ends, which a span of time cuts, are counted row by row; in the same statement, so that both
    see the history at the same instant.
    """
    parts = _by_the_hour(wanted) if _tallied(wanted) else [_row_by_row(wanted)]
    counted = union_all(*parts).subquery()
    decision, label, frames = counted.c.decision, counted.c.label, func.sum(counted.c.frames).label("frames")
    return select(decision, label, frames).group_by(decision, label).order_by(frames.desc(), decision, label)


def _tallied(wanted: HistoryFilter) -> bool:
    return (
        wanted.label != ""
        and replace(wanted, line=None, label=None, decision=None, since=None, until=None) == HistoryFilter()
    )


def _by_the_hour(wanted: HistoryFilter) -> list[Select[str, str, int]]:
    whole_from = None if wanted.since is None else _next_hour(utc(wanted.since))
    whole_until = None if wanted.until is None else hour_of(utc(wanted.until))
    if whole_from is not None and whole_until is not None and whole_from >= whole_until:
        return [_row_by_row(wanted)]
    tally = TallyRow
    names = [(tally.line, wanted.line), (tally.label, wanted.label), (tally.decision, wanted.decision)]
    conditions: list[ColumnElement[bool]] = [column == name(value) for column, value in names if value is not None]
    if whole_from is not None:
        conditions.append(tally.hour >= whole_from)
    if whole_until is not None:
        conditions.append(tally.hour < whole_until)
    frames = func.sum(tally.frames).label("frames")
    parts = [select(tally.decision, tally.label, frames).where(*conditions).group_by(tally.decision, tally.label)]
    if wanted.since is not None and wanted.since != whole_from:
        parts.append(_row_by_row(replace(wanted, until=whole_from)))
    if wanted.until is not None and wanted.until != whole_until:
        parts.append(_row_by_row(replace(wanted, since=whole_until)))
    return parts


def _next_hour(moment: datetime) -> datetime:
    begun = hour_of(moment)
    if begun == moment:
        return moment
    return begun + timedelta(hours=1) if begun < LAST_HOUR else moment


def _row_by_row(wanted: HistoryFilter) -> Select[str, str, int]:
    row = InspectionRow
    label, frames = func.coalesce(row.label, "").label("label"), func.count().label("frames")
    return select(row.decision, label, frames).where(*_conditions(wanted)).group_by(row.decision, row.label)


def _conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    row, part = InspectionRow, wanted.part
    names = [
        (row.line, wanted.line),
        (row.source, wanted.source),
        (row.label, wanted.label),
        (row.decision, wanted.decision),
        (row.serial, part.serial),
        (row.lot, part.lot),
        (row.work_order, part.order),
        (row.tray, part.tray),
        (row.coil, part.coil),
        (row.side, part.side),
    ]
    conditions: list[ColumnElement[bool]] = [column == name(value) for column, value in names if value is not None]
    if wanted.frame_id is not None:
        conditions.append(row.frame_id == storable_id(wanted.frame_id))
    if part.metre is not None:
        conditions.append(row.metre == part.metre)
    if part.across is not None:
        conditions.append(row.across == part.across)
    if wanted.since is not None:
        conditions.append(row.captured_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(row.captured_at < wanted.until)
    return conditions
