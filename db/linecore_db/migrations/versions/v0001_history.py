"""The first tables of the history.

A migration is a fact of the past: it repeats what the schema was, and never imports what the schema is.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
NAME, ID, WORD = sa.String(120), sa.String(255), sa.String(16)
TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    """Create every table."""
    _inspection()
    _of_an_inspection()
    _alarms()
    _drops()


def _inspection() -> None:
    op.create_table(
        "inspection",
        sa.Column("id", BIG, nullable=False),
        sa.Column("frame_id", ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("serial", NAME),
        sa.Column("lot", NAME),
        sa.Column("work_order", NAME),
        sa.Column("tray", NAME),
        sa.Column("coil", NAME),
        sa.Column("side", NAME),
        sa.Column("metre", sa.Double()),
        sa.Column("across", sa.Double()),
        sa.Column("origin", sa.Text()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("captured_at", TIME, nullable=False),
        sa.Column("completed_at", TIME, nullable=False),
        sa.Column("decision", WORD, nullable=False),
        sa.Column("label", NAME),
        sa.Column("confidence", sa.Double()),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("novelty", sa.Double()),
        sa.Column("reason", sa.Text()),
        sa.Column("truth_label", NAME),
        sa.Column("model_name", NAME),
        sa.Column("model_version", NAME),
        sa.Column("model_sha256", NAME),
        sa.Column("config_hash", NAME, nullable=False),
        sa.Column("wait_ms", sa.Double()),
        sa.Column("decode_ms", sa.Double()),
        sa.Column("classify_ms", sa.Double()),
        sa.Column("explain_ms", sa.Double()),
        sa.Column("heatmap_method", NAME),
        sa.Column("heatmap_label", NAME),
        sa.Column("peak_x", sa.Integer()),
        sa.Column("peak_y", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_inspection"),
        sa.UniqueConstraint("frame_id", name="uq_inspection_frame_id"),
        **TABLE,
    )
    op.create_index("ix_inspection_captured_at", "inspection", ["captured_at"])
    for column in ("line", "label", "decision"):
        op.create_index(f"ix_inspection_{column}_captured_at", "inspection", [column, "captured_at"])
    for column in ("serial", "lot", "work_order", "tray", "coil"):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_inspection_{column}_captured_at",
            "inspection",
            [column, "captured_at"],
            sqlite_where=known,
            postgresql_where=known,
        )


def _of_an_inspection() -> None:
    op.create_table(
        "region",
        sa.Column("inspection_id", BIG, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("x0", sa.Integer(), nullable=False),
        sa.Column("y0", sa.Integer(), nullable=False),
        sa.Column("x1", sa.Integer(), nullable=False),
        sa.Column("y1", sa.Integer(), nullable=False),
        sa.Column("area", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double()),
        _belongs_to_an_inspection("region"),
        sa.PrimaryKeyConstraint("inspection_id", "ordinal", name="pk_region"),
        **TABLE,
    )
    op.create_table(
        "evidence",
        sa.Column("inspection_id", BIG, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        _belongs_to_an_inspection("evidence"),
        sa.PrimaryKeyConstraint("inspection_id", "ordinal", name="pk_evidence"),
        **TABLE,
    )
    op.create_table(
        "review",
        sa.Column("id", BIG, nullable=False),
        sa.Column("inspection_id", BIG, nullable=False),
        sa.Column("reviewed_at", TIME, nullable=False),
        sa.Column("reviewed_by", NAME, nullable=False),
        sa.Column("decision", WORD, nullable=False),
        sa.Column("label", NAME),
        sa.Column("note", sa.Text()),
        _belongs_to_an_inspection("review"),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
        **TABLE,
    )
    op.create_index("ix_review_inspection_id", "review", ["inspection_id"])


def _belongs_to_an_inspection(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["inspection_id"], ["inspection.id"], name=f"fk_{table}_inspection", ondelete="CASCADE"
    )


def _alarms() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("priority", WORD, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("frame_ids", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
        **TABLE,
    )
    op.create_index("ix_alarm_line_raised_at", "alarm", ["line", "raised_at"])
    op.create_table(
        "alarm_change",
        sa.Column("id", BIG, nullable=False),
        sa.Column("alarm_id", ID, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("changed_by", NAME, nullable=False),
        sa.Column("note", sa.Text()),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarm.id"], name="fk_alarm_change_alarm", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_alarm_change"),
        sa.UniqueConstraint("alarm_id", "state", "changed_at", name="uq_alarm_change_alarm_id_state_changed_at"),
        **TABLE,
    )


def _drops() -> None:
    op.create_table(
        "dropped_frame",
        sa.Column("id", BIG, nullable=False),
        sa.Column("frame_id", ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("captured_at", TIME, nullable=False),
        sa.Column("dropped_at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dropped_frame"),
        sa.UniqueConstraint("frame_id", "dropped_at", name="uq_dropped_frame_frame_id_dropped_at"),
        **TABLE,
    )
    op.create_index("ix_dropped_frame_line_dropped_at", "dropped_frame", ["line", "dropped_at"])
