import csv
import io
import json
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine

from linecore.inspection import Decision, Part, Verdict
from linecore.log import LogEntry
from linecore_db.queries import Count, HistoryFilter, find
from linecore_db.recording import record
from linecore_db.rendering import (
    COLUMNS,
    LOG_COLUMNS,
    console,
    csv_records,
    log_json,
    log_records,
    shortened,
    show_counts,
    show_log,
    show_table,
    to_json,
    write_csv,
)
from linecore_db.schema import InspectionRow
from tests.db.inspections import NOON, inspection


def stored(engine: Engine, *written: object) -> list[InspectionRow]:
    record(engine, written)  # type: ignore[arg-type]
    return list(find(engine, HistoryFilter(), oldest_first=True))


def table(rows: list[InspectionRow]) -> list[str]:
    out = io.StringIO()
    show_table(rows, console(out))
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def test_a_table_of_the_fullest_rows_fits_100_columns(sqlite_history: Engine) -> None:
    full = inspection(
        1,
        line="hot-strip-1",
        source="folder",
        frame_id="hot-strip-1/folder/2026/03/01/shift-2/rolled-in_scale_000123456.jpg",
        decision=Decision.UNCERTAIN,
        label="rolled-in_scale",
        part=Part(coil="C-4711-0815", side="bottom", metre=1234.5, across=-250.0, lot="L-2026-03"),
        reason="confidence 0.71 is below 0.80 and novelty 0.995 is above 0.99",
    )
    other = inspection(2, line="cold-strip-with-a-long-name-2")
    lines = table(stored(sqlite_history, full, other))
    assert max(map(len, lines)) <= 100
    assert "captured (UTC)" in lines[0]
    text = "\n".join(lines)
    for wanted in (
        "2026-03-01 12:00:01",
        "UNCERTAIN",
        "rolled-in_scale",
        "folder",
        "123456.jpg",
        "C-4711-0815",
        "0.980",
    ):
        assert wanted in text


def test_the_line_is_named_where_there_are_several(sqlite_history: Engine) -> None:
    header, row = table(stored(sqlite_history, inspection(1)))
    assert header.split() == ["captured", "(UTC)", "decision", "label", "conf.", "nov.", "frame"]
    assert row.split() == ["2026-03-01", "12:00:01", "FAIL", "scratches", "0.980", "0.25", "camera/0001.jpg"]
    header, _, row = table(stored(sqlite_history, inspection(2, line="b")))
    assert header.split()[-2:] == ["line", "frame"]
    assert row.split()[-2:] == ["b", "camera/0002.jpg"]


def test_nothing_from_outside_reaches_the_terminal_as_a_command(sqlite_history: Engine) -> None:
    rows = stored(
        sqlite_history, inspection(1, label="[red]\x1b[31m", reason="a\nb\x1b]0;title\x07", frame_id="\x9b2J")
    )
    text = "\n".join(table(rows))
    assert not set(text) & set("\x1b\x9b\x07")
    assert "[red]" in text


def test_the_ends_of_a_long_id_stay() -> None:
    assert shortened("camera/1.jpg", 12) == "camera/1.jpg"
    assert shortened("folder/2026/03/01/scratches_000017.jpg", 21) == "folder…hes_000017.jpg"
    assert len(shortened("x" * 500, 28)) == 28


def test_json_holds_the_whole_inspection(sqlite_history: Engine) -> None:
    (row,) = stored(sqlite_history, inspection(1, part=Part(coil="Ö1", order="W1", metre=2.0), reason="a\nb"))
    text = to_json(row)
    assert "\n" not in text
    read = json.loads(text)
    assert datetime.fromisoformat(read["captured_at"]) == row.captured_at
    assert read["part"] == {"coil": "Ö1", "order": "W1", "metre": 2.0}
    assert read["regions"] == [{"box": [0, 0, 2, 3], "area": 6, "score": 0.75}]
    assert read["heatmap"] == {"method": "class maps", "label": "scratches", "peak": [2, 1]}
    assert read["model"] == {"name": "neu", "version": "1.2", "sha256": "ab" * 32}
    assert (read["decision"], read["truth_label"], read["size"]) == ("FAIL", "scratches", [6, 4])
    assert read["evidence"] == [{"kind": "image", "path": "evidence/1.png"}]


def test_csv_has_a_header_and_survives_quotes_and_line_breaks(sqlite_history: Engine) -> None:
    out = io.StringIO()
    rows = stored(sqlite_history, inspection(1, reason='a "b",\nc', part=Part(coil="C,1")))
    write_csv(COLUMNS, csv_records(rows), out)
    (read,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (read["reason"], read["coil"], read["label"]) == ('a "b",\nc', "C,1", "scratches")
    assert json.loads(read["scores"]) == {"scratches": 0.98, "ok": 0.02}
    assert datetime.fromisoformat(read["captured_at"]) == NOON.replace(second=1)
    assert "id" not in read


def test_counts_show_shares_that_run_up_to_all() -> None:
    out = io.StringIO()
    show_counts([Count("FAIL", "scratches", 3000), Count("PASS", "ok", 1000)], console(out))
    lines = [line.split() for line in out.getvalue().splitlines() if line.strip()]
    assert lines[0] == ["decision", "label", "frames", "share", "running"]
    assert lines[1:] == [["FAIL", "scratches", "3,000", "75.0%", "75.0%"], ["PASS", "ok", "1,000", "25.0%", "100.0%"]]


def test_a_late_answer_and_a_late_delivery_are_told_of(sqlite_history: Engine) -> None:
    silent = inspection(1, decision=Decision.NO_RESULT, label=None, confidence=None, reason="no verdict within 200 ms")
    (row,) = stored(sqlite_history, replace(silent, late=Verdict(Decision.FAIL, "scratches", 0.91), buffered=True))
    text = "\n".join(table([row]))
    assert "late answer: FAIL scratches 0.910, delivered late" in " ".join(text.split())
    record = json.loads(to_json(row))
    assert record["late"] == {"decision": "FAIL", "label": "scratches", "confidence": 0.91}
    assert record["buffered"] is True
    assert {"late_decision", "late_label", "late_confidence", "buffered"} <= set(COLUMNS)


ENTRY = LogEntry("1", "strip", NOON, "sequence gap", "3 frames of left are missing", "left", {"missing": 3})


def test_the_log_as_a_table_as_json_and_as_csv() -> None:
    out = io.StringIO()
    show_log([ENTRY, replace(ENTRY, line="other", source=None, message="a\x1b[31m")], console(out))
    header, first, second = (line.split() for line in out.getvalue().splitlines() if line.strip())
    assert header == ["at", "(UTC)", "line", "source", "kind", "what"]
    assert first == [
        "2026-03-01",
        "12:00:00",
        "strip",
        "left",
        "sequence",
        "gap",
        "3",
        "frames",
        "of",
        "left",
        "are",
        "missing",
    ]
    assert second[-1] == "a\N{REPLACEMENT CHARACTER}[31m"
    record = json.loads(log_json(ENTRY))
    assert record == {
        "at": NOON.isoformat(),
        "line": "strip",
        "source": "left",
        "kind": "sequence gap",
        "message": ENTRY.message,
        "detail": {"missing": 3},
    }
    assert [dict(zip(LOG_COLUMNS, each, strict=True))["detail"] for each in log_records([ENTRY])] == ['{"missing": 3}']
