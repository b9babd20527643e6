"""A log, sums by the hour, holds; and what an inspection says of a late answer and a late delivery."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
NAME, ID, WORD = sa.String(120), sa.String(255), sa.String(16)
TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

# The beginning of the hour in which a frame was captured.
HOUR = {
    "sqlite": "substr(captured_at, 1, 13) || ':00:00.000000'",
    "postgresql": "date_trunc('hour', captured_at, 'UTC')",
    "mysql": "DATE_FORMAT(captured_at, '%Y-%m-%d %H:00:00')",
}


def upgrade() -> None:
    """Add columns and tables, and count what is there."""
    op.add_column("inspection", sa.Column("late_decision", WORD))
    op.add_column("inspection", sa.Column("late_label", NAME))
    op.add_column("inspection", sa.Column("late_confidence", sa.Double()))
    op.add_column("inspection", sa.Column("buffered", sa.Boolean(), nullable=False, server_default="0"))
    op.create_index("ix_dropped_frame_dropped_at", "dropped_frame", ["dropped_at"])
    _log()
    _holds()
    _tally()


def _log() -> None:
    op.create_table(
        "log_entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("line", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("source", NAME),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_entry"),
        **TABLE,
    )
    op.create_index("ix_log_entry_at", "log_entry", ["at"])
    for column in ("line", "kind"):
        op.create_index(f"ix_log_entry_{column}_at", "log_entry", [column, "at"])


def _holds() -> None:
    op.create_table(
        "hold",
        sa.Column("id", BIG, nullable=False),
        sa.Column("part", WORD, nullable=False),
        sa.Column("value", NAME, nullable=False),
        sa.Column("held_at", TIME, nullable=False),
        sa.Column("held_by", NAME, nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("released_at", TIME),
        sa.Column("released_by", NAME),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
        **TABLE,
    )


def _tally() -> None:
    op.create_table(
        "tally",
        sa.Column("line", NAME, nullable=False),
        sa.Column("hour", TIME, nullable=False),
        sa.Column("decision", WORD, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("frames", BIG, nullable=False),
        sa.PrimaryKeyConstraint("line", "hour", "decision", "label", name="pk_tally"),
        **TABLE,
    )
    op.create_index("ix_tally_hour", "tally", ["hour"])
    op.execute("UPDATE inspection SET label = NULL WHERE label = ''")
    hour = HOUR[op.get_bind().dialect.name].replace(":", r"\:")  # a colon would begin a parameter
    op.execute(
        sa.text(
            "INSERT INTO tally (line, hour, decision, label, frames) "
            f"SELECT line, {hour}, decision, COALESCE(label, ''), COUNT(*) FROM inspection GROUP BY 1, 2, 3, 4"
        )
    )
