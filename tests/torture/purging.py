"""A purge of the oldest days, and what it costs a line that writes meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, func, select

from linecore_db.recording import record
from linecore_db.schema import EvidenceRow, InspectionRow, TallyRow
from linecore_db.session import open_database
from linecore_db.urls import parse_url
from tests.db.inspections import inspection
from tests.torture.filled import Database, newest_and_rows
from tests.torture.filling import DAYS

QUIET_S = 10.0
WRITES_A_SECOND = 10
FRAMES_A_WRITE = 8


@dataclass(frozen=True, slots=True)
class Purge:
    """What a purge did, and how long each write of the line beside it took, in milliseconds."""

    rows: int
    files: int
    took_s: float
    longest_lock_ms: float
    undisturbed: tuple[float, ...]
    beside_it: tuple[float, ...]


def purge_beside_a_line(database: Database, days: int) -> Purge:
    """Let the oldest *days* go with their files, while a line writes."""
    engine = open_database(parse_url(database.url))
    newest, _ = newest_and_rows(engine)
    before = newest - timedelta(days=DAYS - days)
    make_files(engine, before)
    age = f"{(datetime.now(UTC) - before).total_seconds():.0f}s"
    command = [sys.executable, "-m", "linecore", "db", "purge", "--db", database.url, "--json"]
    command += ["--evidence", str(database.evidence), "--keep-pass", age, "--keep-rejects", age]
    quiet_until = time.monotonic() + QUIET_S
    undisturbed = write(engine, lambda: time.monotonic() < quiet_until)
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as purging:
        beside_it = write(engine, lambda: purging.poll() is None)
        assert purging.stdout is not None
        said = json.loads(purging.stdout.read())
    took_s = time.monotonic() - began
    engine.dispose()
    assert purging.returncode == 0, said
    assert_consistent(database)
    return Purge(said["inspections"], said["files"], took_s, said["longest_lock_s"] * 1000, undisturbed, beside_it)


def make_files(engine: Engine, before: datetime) -> None:
    """Make the files that old inspections name."""
    evidence = select(EvidenceRow.path).join(InspectionRow, InspectionRow.id == EvidenceRow.inspection_id)
    with engine.connect() as connection:
        paths = list(connection.scalars(evidence.where(InspectionRow.captured_at < before)))
    for folder in {Path(path).parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        Path(path).write_bytes(b"a picture")


def write(engine: Engine, go_on: Callable[[], bool]) -> tuple[float, ...]:
    """Record a batch as a line does, so many times a second; return what each took, in milliseconds."""
    took = []
    while go_on():
        now = datetime.now(UTC)
        batch = [
            inspection(number, frame_id=f"{now.isoformat()}/{number}", captured_at=now)
            for number in range(FRAMES_A_WRITE)
        ]
        began = time.perf_counter()
        record(engine, batch)
        seconds = time.perf_counter() - began
        took.append(seconds * 1000)
        time.sleep(max(0.0, 1 / WRITES_A_SECOND - seconds))
    return tuple(took)


def assert_consistent(database: Database) -> None:
    """Make sure that the sums by the hour are those of the rows."""
    row = InspectionRow
    by_rows = select(row.line, row.decision, func.coalesce(row.label, ""), func.count())
    sums = select(TallyRow.line, TallyRow.decision, TallyRow.label, func.sum(TallyRow.frames))
    engine = database.open()
    with engine.connect() as connection:
        rows = {tuple(each) for each in connection.execute(by_rows.group_by(row.line, row.decision, row.label))}
        grouped = sums.group_by(TallyRow.line, TallyRow.decision, TallyRow.label)
        assert {(*each[:3], int(each[3])) for each in connection.execute(grouped)} == rows
    engine.dispose()
