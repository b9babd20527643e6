"""Lets old rows go, in batches so small that a line which writes hardly notices; their files first.

A file is removed before the row that names it: what a crash leaves behind is a row whose file is missing, never a file
that nobody knows. Each batch is read without a lock, its files are removed without one, and the rows go in a short
transaction of their own, which follows a pause as long as the one before took.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Engine, and_, delete, exists, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from linecore.alarms import AlarmState
from linecore.inspection import Decision
from linecore_db.evidence_files import EvidenceFolders
from linecore_db.holds import is_held
from linecore_db.recording import add_to_tally
from linecore_db.rows import tally_rows
from linecore_db.schema import AlarmRow, DroppedFrameRow, EvidenceRow, InspectionRow, LogRow, ReviewRow, TallyRow
from linecore_db.stored_images import measure

FIRST_BATCH, SMALLEST_BATCH, LARGEST_BATCH = 100, 20, 2000
LOCK_S = 0.05  # that a batch should keep other writers waiting, at most


@dataclass(frozen=True, slots=True)
class Ages:
    """How old things get; None for ever."""

    passes: timedelta | None = timedelta(days=30)
    rejects: timedelta | None = timedelta(days=365)  # FAIL, UNCERTAIN and NO_RESULT
    images: timedelta | None = None  # files whose rows stay longer
    alarms: timedelta | None = timedelta(days=365)  # that are cleared
    log: timedelta | None = timedelta(days=90)  # and dropped frames


@dataclass(slots=True)
class Purged:
    """What went, and what had to stay."""

    inspections: int = 0
    files: int = 0
    bytes: int = 0
    files_missing: int = 0
    alarms: int = 0
    log_entries: int = 0
    dropped_frames: int = 0
    held: int = 0  # old enough, and held
    reviewed: int = 0  # old enough, and judged by a person
    image_bytes: int | None = None  # of the files that stay; None where they may take whatever they take
    longest_lock_s: float = 0.0
    stuck: dict[str, str] = field(default_factory=dict)  # file that could not be removed -> why; its row stays too


def purge(
    engine: Engine,
    ages: Ages,
    files: EvidenceFolders,
    now: datetime,
    *,
    max_image_bytes: float | None = None,
    dry_run: bool = False,
) -> Purged:
    """Remove what is older than its age; what is held, or was reviewed, stays with its files.

    Where the files that are left take more than *max_image_bytes*, the oldest go until they do not, those of what
    passed first; their rows stay.
    """
    return _Purge(engine, files, dry_run).run(ages, now, max_image_bytes)


class _Purge:
    def __init__(self, engine: Engine, files: EvidenceFolders, dry_run: bool) -> None:
        self._engine, self._files, self._dry_run = engine, files, dry_run
        self._done = Purged()
        self._size = FIRST_BATCH

    def run(self, ages: Ages, now: datetime, max_image_bytes: float | None) -> Purged:
        for decision in Decision:
            age = ages.passes if decision is Decision.PASS else ages.rejects
            if age is not None:
                self._inspections(decision, now - age)
        if ages.images is not None:
            old = InspectionRow.captured_at < now - ages.images
            # In a rehearsal, what would have gone by its age is there still: here, and where files are measured.
            self._images(and_(old, _young(ages.passes, ages.rejects, now)) if self._dry_run else old)
        if max_image_bytes is not None:
            kept = _young(_least(ages.passes, ages.images), _least(ages.rejects, ages.images), now)
            self._shrink(max_image_bytes, and_(~kept, _may_go()) if self._dry_run else false())
        if ages.alarms is not None:
            cleared = and_(AlarmRow.state == AlarmState.CLEARED, AlarmRow.changed_at < now - ages.alarms)
            self._done.alarms = self._plain(AlarmRow.id, cleared)
        if ages.log is not None:
            self._done.log_entries = self._plain(LogRow.id, LogRow.at < now - ages.log)
            self._done.dropped_frames = self._plain(DroppedFrameRow.id, DroppedFrameRow.dropped_at < now - ages.log)
        if not self._dry_run:
            self._write(_executed(delete(TallyRow).where(TallyRow.frames <= 0)))
        return self._done

    def _inspections(self, decision: Decision, before: datetime) -> None:
        row = InspectionRow
        old = and_(row.decision == str(decision), row.captured_at < before)
        last: tuple[datetime, int] | None = None
        while True:
            query = select(row.id, row.captured_at).where(old, _may_go()).order_by(row.captured_at, row.id)
            if last is not None:
                at, key = last
                query = query.where(row.captured_at >= at, or_(row.captured_at > at, row.id > key))
            with self._engine.connect() as connection:
                found = connection.execute(query.limit(self._size)).all()
                ids = [key for key, _ in found]
                named = self._named(connection, ids)
            if not found:
                break
            last = found[-1].captured_at, found[-1].id
            ids, _ = self._without_files(ids, named)
            if self._dry_run:
                self._done.inspections += len(ids)
            elif ids:
                self._write(partial(self._delete_inspections, ids))
        with self._engine.connect() as connection:
            self._done.held += connection.scalar(select(func.count()).where(old, is_held())) or 0
            self._done.reviewed += connection.scalar(select(func.count()).where(old, _is_reviewed(), ~is_held())) or 0

    def _delete_inspections(self, ids: Sequence[int], connection: Connection) -> None:
        row = InspectionRow
        statement = delete(row).where(row.id.in_(ids), _may_go())
        gone = connection.execute(statement.returning(row.line, row.captured_at, row.decision, row.label)).all()
        add_to_tally(
            connection, tally_rows(((line, at, decision, label) for line, at, decision, label in gone), sign=-1)
        )
        self._done.inspections += len(gone)

    def _shrink(self, most: float, leaves: ColumnElement[bool]) -> None:
        """Remove files of rows that stay, until all that rows name take no more than *most* bytes."""
        stored = measure(self._engine, self._files, _may_go(), leaves, self._done.stuck)
        self._done.stuck |= stored.unknown
        self._done.image_bytes = stored.bytes
        done = 0
        while self._done.image_bytes > most and done < len(stored.ids):
            chosen = stored.next_to_go(done, self._size, self._done.image_bytes - most)
            done = chosen.stop
            taken = dict(zip(stored.ids[chosen].tolist(), stored.sizes[chosen].tolist(), strict=True))
            captured = dict(zip(taken, stored.captured[chosen].tolist(), strict=True))
            with self._engine.connect() as connection:
                # Asked again: what is held meanwhile stays, and so does another inspection that has got the same id.
                query = select(InspectionRow.id, InspectionRow.captured_at).where(
                    InspectionRow.id.in_(taken), _may_go()
                )
                free = {key for key, at in connection.execute(query) if at.timestamp() == captured[key]}
                named = self._named(connection, list(free))
            gone, torn = self._without_files([key for key in taken if key in free], named)
            self._done.image_bytes -= sum(taken[key] for key in gone) + torn
            if gone and not self._dry_run:
                self._write(_executed(delete(EvidenceRow).where(EvidenceRow.inspection_id.in_(gone))))

    def _images(self, which: ColumnElement[bool]) -> None:
        """Remove the files of rows that stay; along the evidence, since most rows have none."""
        last = 0
        while True:
            some = InspectionRow.id == EvidenceRow.inspection_id, EvidenceRow.inspection_id > last, which, _may_go()
            query = select(EvidenceRow.inspection_id).where(*some).distinct().order_by(EvidenceRow.inspection_id)
            with self._engine.connect() as connection:
                ids = list(connection.execute(query.limit(self._size)).scalars())
                named = self._named(connection, ids)
            if not ids:
                return
            last = ids[-1]
            ids, _ = self._without_files(ids, named)
            if ids and not self._dry_run:
                self._write(_executed(delete(EvidenceRow).where(EvidenceRow.inspection_id.in_(ids))))

    def _named(self, connection: Connection, ids: Sequence[int]) -> list[tuple[int, str]]:
        query = select(EvidenceRow.inspection_id, EvidenceRow.path).where(EvidenceRow.inspection_id.in_(ids))
        return [(key, path) for key, path in connection.execute(query)]

    def _without_files(self, ids: Sequence[int], named: Sequence[tuple[int, str]]) -> tuple[list[int], int]:
        """Remove the files; return the inspections that name none any more, and the bytes that went of the others."""
        stuck, went = set(), Counter[int]()
        for key, path in named:
            removed = self._files.remove(path, dry_run=self._dry_run)
            if not removed.gone:
                stuck.add(key)
                self._done.stuck[path] = removed.reason or "it could not be removed"
            elif removed.size is None:
                self._done.files_missing += 1
            else:
                self._done.files += 1
                self._done.bytes += removed.size
                went[key] += removed.size
        return [key for key in ids if key not in stuck], sum(went[key] for key in stuck)

    def _plain(self, key: InstrumentedAttribute[Any], old: ColumnElement[bool]) -> int:
        """Remove rows that nothing depends on; return how many."""
        if self._dry_run:
            with self._engine.connect() as connection:
                return connection.scalar(select(func.count()).select_from(key.class_).where(old)) or 0
        total = 0
        while True:
            with self._engine.connect() as connection:
                ids = connection.scalars(select(key).where(old).limit(self._size)).all()
            if not ids:
                return total
            self._write(_executed(delete(key.class_).where(key.in_(ids), old)))
            total += len(ids)

    def _write(self, change: Callable[[Connection], object]) -> None:
        """Make a change in a transaction of its own; fit the size of the next to the time that it took."""
        began = time.perf_counter()
        with self._engine.begin() as connection:
            change(connection)
        took = time.perf_counter() - began
        self._done.longest_lock_s = max(self._done.longest_lock_s, took)
        grown = self._size * min(1.5, max(0.3, LOCK_S / took))
        self._size = int(min(LARGEST_BATCH, max(SMALLEST_BATCH, grown)))
        time.sleep(took)


def _executed(statement: Delete) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(statement)


def _young(passes: timedelta | None, rejects: timedelta | None, now: datetime) -> ColumnElement[bool]:
    """Say which inspections are younger than these ages, as they passed or not."""
    row, passed = InspectionRow, InspectionRow.decision == str(Decision.PASS)
    return or_(
        passed if passes is None else and_(passed, row.captured_at >= now - passes),
        ~passed if rejects is None else and_(~passed, row.captured_at >= now - rejects),
    )


def _least(*ages: timedelta | None) -> timedelta | None:
    return min((age for age in ages if age is not None), default=None)


def _is_reviewed() -> ColumnElement[bool]:
    return exists(select(ReviewRow.id).where(ReviewRow.inspection_id == InspectionRow.id))


def _may_go() -> ColumnElement[bool]:
    return and_(~is_held(), ~_is_reviewed())
