"""Holds: a lot under complaint, a coil at court. What is held is never purged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, exists, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from linecore_db.columns import name, prose
from linecore_db.schema import HoldRow, InspectionRow

HELD_BY: dict[str, InstrumentedAttribute[str | None]] = {
    "serial": InspectionRow.serial,
    "lot": InspectionRow.lot,
    "order": InspectionRow.work_order,
    "tray": InspectionRow.tray,
    "coil": InspectionRow.coil,
}
"""What can be held, and the column that tells which inspections that is."""


def hold(engine: Engine, part: str, value: str, *, by: str, note: str | None, now: datetime) -> bool:
    """Hold all inspections of a part, those to come too; return False where it is held already."""
    with Session(engine) as session, session.begin():
        active = HoldRow.part == part, HoldRow.value == name(value), HoldRow.released_at.is_(None)
        if session.scalar(select(HoldRow.id).where(*active).limit(1)) is not None:
            return False
        session.add(HoldRow(part=part, value=name(value), held_at=now, held_by=name(by), note=prose(note)))
        return True


def release(engine: Engine, part: str, value: str, *, by: str, now: datetime) -> bool:
    """Let what was held be purged when its time comes; return False where it is not held."""
    with engine.begin() as connection:
        held = HoldRow.part == part, HoldRow.value == name(value), HoldRow.released_at.is_(None)
        done = connection.execute(update(HoldRow).where(*held).values(released_at=now, released_by=name(by)))
        return done.rowcount > 0


def holds(engine: Engine, *, released: bool = False) -> list[HoldRow]:
    """Return what is held, the oldest hold first; with *released*, also what was."""
    query = select(HoldRow).order_by(HoldRow.held_at, HoldRow.id)
    with Session(engine) as session:
        return list(session.scalars(query if released else query.where(HoldRow.released_at.is_(None))))


def is_held() -> ColumnElement[bool]:
    """Return the condition that an inspection is held, as the database knows it in the statement that asks."""
    names_it = (and_(HoldRow.part == part, HoldRow.value == column) for part, column in HELD_BY.items())
    return exists(select(HoldRow.id).where(HoldRow.released_at.is_(None), or_(*names_it)))
