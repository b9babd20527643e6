"""Fills a history with millions of rows, quickly: the database makes them up itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, Index, text

from linecore_db.schema import InspectionRow

DAYS = 90
LINES = 6

# One row, from its number `i`: `r` is its chance, 0..999, and `d` the one of its defect. Rejects are one in twenty,
# their labels a Pareto. Written for SQLite; what PostgreSQL calls differently is replaced.
NUMBERS = """
WITH RECURSIVE number(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < :rows),
row AS (
  SELECT i, (i * 2654435761 % 4294967296) / 4294968 AS r, (i * 40503 % 65536) / 656 AS d,
    'hot-strip-' || (i % 6 + 1) AS line, CASE i / 6 % 2 WHEN 0 THEN 'top' ELSE 'bottom' END AS source,
    i / 12 AS sequence, {time} AS captured_at
  FROM number
),
judged AS (
  SELECT *, CASE WHEN r < 950 THEN 'PASS' WHEN r < 985 THEN 'FAIL' WHEN r < 997 THEN 'UNCERTAIN' ELSE 'NO_RESULT' END
    AS decision, CASE WHEN r < 950 THEN 'ok' WHEN r >= 997 THEN NULL WHEN d < 45 THEN 'scratches' WHEN d < 70 THEN
    'patches' WHEN d < 85 THEN 'inclusion' WHEN d < 93 THEN 'rolled-in_scale' WHEN d < 98 THEN 'pitted_surface' ELSE
    'crazing' END AS label
  FROM row
)
"""
INSPECTIONS = """
INSERT INTO inspection (id, frame_id, line, source, sequence, coil, side, metre, across, origin, width, height,
  captured_at, completed_at, decision, label, confidence, scores, novelty, reason, model_name, model_version,
  model_sha256, config_hash, wait_ms, decode_ms, classify_ms, explain_ms, heatmap_method, heatmap_label, peak_x, peak_y,
  buffered)
{numbers}
SELECT i + 1, line || '/' || source || '/' || (100000000 + sequence), line, source, sequence, 'C-' || (i / 30000),
  source, sequence % 2500 * 0.5, 400.5, '/var/lib/linecore/incoming/' || (100000000 + sequence) || '.jpg', 2048, 1024,
  captured_at, captured_at, decision, label, CASE WHEN label IS NOT NULL THEN 0.8 + r / 5000.0 END,
  {scores}, r / 1000.0, CASE decision WHEN 'UNCERTAIN' THEN 'confidence 0.71 is below 0.80' WHEN 'NO_RESULT' THEN
  'no verdict within 200 ms' END, 'neu', '1', '{sha}', '{sha}', 1.25, 3.5, 1.25, CASE WHEN decision IN ('FAIL',
  'UNCERTAIN') THEN 2.5 ELSE 0.0 END, CASE WHEN decision IN ('FAIL', 'UNCERTAIN') THEN 'class maps' END,
  CASE WHEN decision IN ('FAIL', 'UNCERTAIN') THEN label END, CASE WHEN decision IN ('FAIL', 'UNCERTAIN') THEN r END,
  CASE WHEN decision IN ('FAIL', 'UNCERTAIN') THEN d END, {no}
FROM judged
"""
SCORES = (
    '{"ok": 0.9712, "scratches": 0.0121, "patches": 0.0072, "inclusion": 0.0041, "rolled-in_scale": 0.0032, '
    '"pitted_surface": 0.0015, "crazing": 0.0007}'
)
REGIONS = """
INSERT INTO region (inspection_id, ordinal, x0, y0, x1, y1, area, score)
SELECT id, ordinal, peak_x, peak_y, peak_x + 40, peak_y + 30, 1200, 0.75
FROM inspection CROSS JOIN (SELECT 0 AS ordinal UNION ALL SELECT 1) AS twice
WHERE decision IN ('FAIL', 'UNCERTAIN')
"""
EVIDENCE = """
INSERT INTO evidence (inspection_id, ordinal, kind, path)
SELECT id, ordinal, kind, '{evidence}/' || line || '/' || decision || '/' || source || '/'
  || (100000000 + sequence) || ending
FROM inspection CROSS JOIN (
  SELECT 0 AS ordinal, 'image' AS kind, '.jpg' AS ending UNION ALL SELECT 1, 'overlay', '.overlay.jpg'
) AS twice
WHERE decision IN ('FAIL', 'UNCERTAIN')
"""
TALLY = """
INSERT INTO tally (line, hour, decision, label, frames)
SELECT line, {hour}, decision, COALESCE(label, ''), COUNT(*) FROM inspection GROUP BY 1, 2, 3, 4
"""


def fill(engine: Engine, rows: int, now: datetime, evidence: Path) -> None:
    """Put *rows* inspections of the last :data:`DAYS` days into an empty history, with regions, evidence and sums.

    The evidence is named, below the folder *evidence*, and not made.
    """
    sqlite = engine.dialect.name == "sqlite"
    begin, step = now - timedelta(days=DAYS), timedelta(days=DAYS) / rows
    seconds = "(:begin + i * :step)"
    if sqlite:
        time = f"strftime('%Y-%m-%d %H:%M:%f', {seconds}, 'unixepoch') || '000'"
        hour = "substr(captured_at, 1, 13) || '\\:00\\:00.000000'"
    else:
        time, hour = f"to_timestamp({seconds})", "date_trunc('hour', captured_at, 'UTC')"
    numbers = NUMBERS.format(time=time)
    scores = f"'{SCORES}'".replace(":", "\\:")
    if not sqlite:
        every = "WITH number(i) AS (SELECT generate_series(0\\:\\:bigint, :rows - 1)),"
        numbers = every + numbers.partition("< :rows),")[2]
        scores += "\\:\\:json"
    no = "0" if sqlite else "false"
    statements = [
        INSPECTIONS.format(numbers=numbers, scores=scores, sha="ab" * 32, no=no),
        REGIONS,
        EVIDENCE.format(evidence=evidence),
        TALLY.format(hour=hour),
    ]
    values = {"rows": rows, "begin": begin.timestamp(), "step": step.total_seconds()}
    with _in_bulk(engine) as connection:
        for statement in statements:
            connection.execute(text(statement), values if ":rows" in statement else {})
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


@contextmanager
def _in_bulk(engine: Engine) -> Iterator[Connection]:
    """Give a transaction into empty tables without their indexes, which are made anew at its end."""
    indexes: list[Index] = sorted(InspectionRow.__table__.indexes, key=lambda index: str(index.name))  # type: ignore[attr-defined]
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _of_sqlite(connection, "journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000")
        with connection.begin():
            if engine.dialect.name == "postgresql":  # with wal_level minimal, what is emptied here is not logged
                connection.execute(text("TRUNCATE inspection, region, evidence, tally CASCADE"))
            for index in indexes:
                index.drop(connection)
            yield connection
            for index in indexes:
                index.create(connection)
            if engine.dialect.name == "postgresql":
                sequence = "pg_get_serial_sequence('inspection', 'id')"
                connection.execute(text(f"SELECT setval({sequence}, max(id)) FROM inspection"))
        if engine.dialect.name == "sqlite":
            _of_sqlite(connection, "journal_mode = WAL", "synchronous = FULL", "cache_size = -2000")


def _of_sqlite(connection: Connection, *pragmas: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    for pragma in pragmas:
        driver.execute(f"PRAGMA {pragma}")
