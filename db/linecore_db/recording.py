"""Writes the history: batches of inspections, alarms, the log. All of it may come twice and is stored once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, Insert, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from linecore.alarms import Alarm, AlarmState
from linecore.errors import RefusedError
from linecore.inspection import Inspection
from linecore.log import LogEntry
from linecore_db.columns import name, prose, storable_id, utc
from linecore_db.rows import Row, alarm_row, drop_row, evidence_rows, inspection_row, log_row, region_rows, tally_rows
from linecore_db.schema import (
    AlarmChangeRow,
    AlarmRow,
    Base,
    DroppedFrameRow,
    EvidenceRow,
    InspectionRow,
    LogRow,
    RegionRow,
    TallyRow,
)
from linecore_db.urls import shown

BY_THE_LINE = "linecore"
_DUPLICATE = 1062  # of MariaDB's warnings


def record(engine: Engine, inspections: Sequence[Inspection]) -> int:
    """Store a batch in one transaction; return how many inspections were new.

    A frame that is there already, by another process too, keeps its row, its regions and its evidence as they are.
    """
    by_id: dict[str, Inspection] = {}
    for inspection in inspections:
        by_id.setdefault(storable_id(inspection.frame.id), inspection)
    rows = {frame_id: inspection_row(inspection) for frame_id, inspection in by_id.items()}
    if not rows:
        return 0
    with engine.begin() as connection:
        statement = _unless_there(connection, InspectionRow).returning(InspectionRow.id, InspectionRow.frame_id)
        new = [(key, by_id[frame_id]) for key, frame_id in connection.execute(statement, list(rows.values()))]
        _refuse_what_was_bent(connection)
        _insert(connection, RegionRow, [row for key, inspection in new for row in region_rows(key, inspection)])
        _insert(connection, EvidenceRow, [row for key, inspection in new for row in evidence_rows(key, inspection)])
        # Last, since every writer of the line waits for these few rows until the transaction ends.
        add_to_tally(connection, tally_rows(_counted(rows[storable_id(one.frame.id)]) for _, one in new))
    return len(new)


def record_log(engine: Engine, entries: Sequence[LogEntry]) -> None:
    """Store what happened to the line, in one transaction; dropped frames in a table of their own."""
    drops = {entry.id: row for entry in entries if (row := drop_row(entry)) is not None}
    others = [log_row(entry) for entry in entries if entry.id not in drops]
    with engine.begin() as connection:
        for table, rows in ((DroppedFrameRow, list(drops.values())), (LogRow, others)):
            if rows:
                connection.execute(_unless_there(connection, table), rows)
                _refuse_what_was_bent(connection)


def record_alarm(engine: Engine, alarm: Alarm, by: str = BY_THE_LINE) -> None:
    """Store an alarm's change of state; the row of the alarm follows the latest change."""
    with engine.begin() as connection:
        connection.execute(_unless_there(connection, AlarmRow), [alarm_row(alarm)])
        _change(connection, storable_id(alarm.id), alarm.state, utc(alarm.changed_at), by, alarm.message)


def close_left_alarms(engine: Engine, line: str, now: datetime) -> int:
    """Clear what an earlier run of *line* left raised, since nobody watches it any more; return how many."""
    alarm = select(AlarmRow.id, AlarmRow.changed_at)
    with engine.begin() as connection:
        left = connection.execute(alarm.where(AlarmRow.line == name(line), AlarmRow.state != AlarmState.CLEARED)).all()
        for alarm_id, changed_at in left:
            at = max(utc(now), changed_at)  # the computer's clock may have been set back
            _change(connection, alarm_id, AlarmState.CLEARED, at, BY_THE_LINE, "line restarted")
    return len(left)


def add_to_tally(connection: Connection, changes: Sequence[Row]) -> None:
    """Change the sums by so many frames, in the transaction that adds or removes them."""
    if not changes:
        return
    if connection.dialect.name == "mysql":
        for_mysql = mysql.insert(TallyRow)
        more = for_mysql.on_duplicate_key_update(frames=TallyRow.frames + for_mysql.inserted.frames)
        connection.execute(more, changes)
    else:
        build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        others = build(TallyRow)
        key = ["line", "hour", "decision", "label"]
        sum_of_both = {"frames": TallyRow.frames + others.excluded.frames}
        connection.execute(others.on_conflict_do_update(index_elements=key, set_=sum_of_both), changes)


def _counted(row: Row) -> tuple[str, datetime, str, str | None]:
    return row["line"], row["captured_at"], row["decision"], row["label"]


def _change(connection: Connection, alarm_id: str, state: AlarmState, at: datetime, by: str, note: str) -> None:
    change: Row = {
        "alarm_id": alarm_id,
        "state": str(state),
        "changed_at": at,
        "changed_by": name(by),
        "note": prose(note),
    }
    connection.execute(_unless_there(connection, AlarmChangeRow), [change])
    newer = update(AlarmRow).where(AlarmRow.id == alarm_id, AlarmRow.changed_at <= at)
    connection.execute(newer.values(state=str(state), changed_at=at))


def _insert(connection: Connection, table: type[Base], rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _unless_there(connection: Connection, table: type[Base]) -> Insert:
    """Insert into *table* and pass over rows that are there already; RETURNING names only those that were not."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE")


def _refuse_what_was_bent(connection: Connection) -> None:
    """Make MariaDB strict again: IGNORE passes over rows that are there, and over what does not fit as well."""
    if connection.dialect.name != "mysql":
        return
    for _, code, message in connection.exec_driver_sql("SHOW WARNINGS"):
        if code != _DUPLICATE:
            raise RefusedError(f"the database {shown(connection.engine.url)} refuses this: {message}")
