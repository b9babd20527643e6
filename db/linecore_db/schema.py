"""The tables of the defect history.

A row of ``inspection`` holds all that is needed to judge it again. What can be several has a table of its own.
Boxes and peaks are pixels of the frame, times are UTC, probabilities and novelty 0..1, durations milliseconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from linecore_db.columns import ID_LENGTH, NAME_LENGTH, BigId, UtcDateTime

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

# MariaDB compares text without case by default: frame A.jpg would be taken for a.jpg, and lost.
EXACT_TEXT = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

Scores = dict[str, float | None]
Detail = dict[str, str | int | float | None]


class Base(DeclarativeBase):
    """What the tables share; a ``str`` is a name unless its column says otherwise."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's own declaration
        str: String(NAME_LENGTH),
        float: Double(),
        datetime: UtcDateTime(),
        Scores: JSON(none_as_null=True),
        Detail: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


def _where_known(column: str) -> Index:
    """Index a way to name a part, by time; rows without it take no room, but on MariaDB."""
    known = Column(column).is_not(None)
    return Index(
        f"ix_inspection_{column}_captured_at", column, "captured_at", sqlite_where=known, postgresql_where=known
    )


class InspectionRow(Base):
    """One frame and what was decided about it."""

    __tablename__ = "inspection"
    __table_args__: Any = (
        Index(None, "captured_at"),
        Index(None, "line", "captured_at"),
        Index(None, "label", "captured_at"),
        Index(None, "decision", "captured_at"),
        *map(_where_known, ("serial", "lot", "work_order", "tray", "coil")),
        EXACT_TEXT,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    frame_id: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    line: Mapped[str]
    source: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigId)

    serial: Mapped[str | None]
    lot: Mapped[str | None]
    work_order: Mapped[str | None]  # `order` is a word of SQL
    tray: Mapped[str | None]
    coil: Mapped[str | None]
    side: Mapped[str | None]
    metre: Mapped[float | None]
    across: Mapped[float | None]

    origin: Mapped[str | None] = mapped_column(Text)
    width: Mapped[int | None]  # of the frame; None where it could not be decoded
    height: Mapped[int | None]
    captured_at: Mapped[datetime]
    completed_at: Mapped[datetime]

    decision: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None]
    confidence: Mapped[float | None]
    scores: Mapped[Scores]
    novelty: Mapped[float | None]
    reason: Mapped[str | None] = mapped_column(Text)
    truth_label: Mapped[str | None]  # what is really on the frame, where somebody knows
    late_decision: Mapped[str | None] = mapped_column(String(16))  # what the classifier said after the deadline
    late_label: Mapped[str | None]
    late_confidence: Mapped[float | None]
    buffered: Mapped[bool] = mapped_column(server_default="0")  # delivered later than it happened

    model_name: Mapped[str | None]
    model_version: Mapped[str | None]
    model_sha256: Mapped[str | None]
    config_hash: Mapped[str]

    wait_ms: Mapped[float | None]
    decode_ms: Mapped[float | None]
    classify_ms: Mapped[float | None]
    explain_ms: Mapped[float | None]

    heatmap_method: Mapped[str | None]
    heatmap_label: Mapped[str | None]  # the label that the heat map explains
    peak_x: Mapped[int | None]
    peak_y: Mapped[int | None]

    regions: Mapped[list[RegionRow]] = relationship(order_by="RegionRow.ordinal", viewonly=True)
    evidence: Mapped[list[EvidenceRow]] = relationship(order_by="EvidenceRow.ordinal", viewonly=True)


class RegionRow(Base):
    """A hot part of an inspection's heat map; x1 and y1 are exclusive."""

    __tablename__ = "region"
    __table_args__ = EXACT_TEXT

    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspection.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0 is the hottest
    x0: Mapped[int]
    y0: Mapped[int]
    x1: Mapped[int]
    y1: Mapped[int]
    area: Mapped[int]
    score: Mapped[float | None]


class EvidenceRow(Base):
    """A file that was kept of an inspection."""

    __tablename__ = "evidence"
    __table_args__ = EXACT_TEXT

    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspection.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    path: Mapped[str] = mapped_column(Text)


class TallyRow(Base):
    """How many inspections of a line, an hour, a decision and a label there are: a sum that is always right.

    Whoever adds or removes inspections changes it in the same transaction, so that a Pareto of a week reads some
    thousand rows, not a million.
    """

    __tablename__ = "tally"
    __table_args__: Any = (Index(None, "hour"), EXACT_TEXT)

    line: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)  # that it begins with
    decision: Mapped[str] = mapped_column(String(16), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)  # empty where there is none: a key cannot be NULL
    frames: Mapped[int] = mapped_column(BigId)


class HoldRow(Base):
    """Something whose inspections must not be purged: a lot under complaint, a coil at court."""

    __tablename__ = "hold"
    __table_args__ = EXACT_TEXT

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    part: Mapped[str] = mapped_column(String(16))  # the column of `inspection` that names it
    value: Mapped[str]
    held_at: Mapped[datetime]
    held_by: Mapped[str]
    note: Mapped[str | None] = mapped_column(Text)
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]


class ReviewRow(Base):
    """What a person judged later."""

    __tablename__ = "review"
    __table_args__: Any = (Index(None, "inspection_id"), EXACT_TEXT)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspection.id", ondelete="CASCADE"))
    reviewed_at: Mapped[datetime]
    reviewed_by: Mapped[str]
    decision: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None]
    note: Mapped[str | None] = mapped_column(Text)


class AlarmRow(Base):
    """One occurrence of an alarm, in the state that it is in now."""

    __tablename__ = "alarm"
    __table_args__: Any = (Index(None, "line", "raised_at"), EXACT_TEXT)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    line: Mapped[str]
    name: Mapped[str]
    priority: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[datetime]
    frame_ids: Mapped[list[str]]

    changes: Mapped[list[AlarmChangeRow]] = relationship(order_by="AlarmChangeRow.changed_at", viewonly=True)


class AlarmChangeRow(Base):
    """An alarm's change of state, when, by whom and why."""

    __tablename__ = "alarm_change"
    __table_args__: Any = (UniqueConstraint("alarm_id", "state", "changed_at"), EXACT_TEXT)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alarm_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("alarm.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
    note: Mapped[str | None] = mapped_column(Text)


class DroppedFrameRow(Base):
    """A frame that was let go without an inspection, and why."""

    __tablename__ = "dropped_frame"
    __table_args__: Any = (
        UniqueConstraint("frame_id", "dropped_at"),
        Index(None, "line", "dropped_at"),
        Index(None, "dropped_at"),
        EXACT_TEXT,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    frame_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    line: Mapped[str]
    source: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigId)
    captured_at: Mapped[datetime]
    dropped_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)


class LogRow(Base):
    """Something that happened to a line and is neither an inspection, an alarm nor a dropped frame."""

    __tablename__ = "log_entry"
    __table_args__: Any = (Index(None, "at"), Index(None, "line", "at"), Index(None, "kind", "at"), EXACT_TEXT)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    line: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    message: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None]
    detail: Mapped[Detail]
