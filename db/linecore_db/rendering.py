"""Shows the history: a table for a person, JSON or CSV for a program."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from linecore.inspection import Decision
from linecore.log import LogEntry
from linecore_db.queries import Count
from linecore_db.schema import InspectionRow

WIDTH = 100  # of a table that goes to a file or a pipe, where no terminal says how wide it is
LABEL_WIDTH = 16
LINE_WIDTH = 14
OTHER_COLUMNS = 47  # signs that time, decision, confidence, novelty and the gaps take
COLOURS = {
    Decision.PASS: "green",
    Decision.FAIL: "bold red",
    Decision.UNCERTAIN: "yellow",
    Decision.NO_RESULT: "magenta",
}
LOG_COLUMNS = ["at", "line", "source", "kind", "message", "detail"]
COLUMNS = [column.key for column in InspectionRow.__table__.columns if column.key != "id"]


def console(out: TextIO) -> Console:
    """Return where tables go; as wide as the terminal, or :data:`WIDTH` where there is none."""
    return Console(file=out, width=None if out.isatty() else WIDTH, highlight=False)


def show_table(rows: Sequence[InspectionRow], screen: Console) -> None:
    """Print a table of inspections: what was decided to the left, of what and why to the right."""
    several_lines = len({row.line for row in rows}) > 1
    table = _table()
    table.add_column("captured (UTC)", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("label", no_wrap=True, max_width=LABEL_WIDTH)
    table.add_column("conf.", justify="right", no_wrap=True)
    table.add_column("nov.", justify="right", no_wrap=True)
    if several_lines:
        table.add_column("line", no_wrap=True, max_width=LINE_WIDTH)
    table.add_column("frame", overflow="fold")
    taken = OTHER_COLUMNS + LABEL_WIDTH + (LINE_WIDTH + 2 if several_lines else 0)
    for row in rows:
        frame = shortened(row.frame_id.removeprefix(f"{row.line}/"), max(20, screen.width - taken))
        table.add_row(
            f"{row.captured_at:%Y-%m-%d %H:%M:%S}",
            _decision(row.decision),
            _plain(row.label or ""),
            _number(row.confidence, 3),
            _number(row.novelty, 2),
            *([_plain(row.line)] if several_lines else []),
            Text("\n").join(_plain(text) for text in (frame, _part(row), row.reason, _afterwards(row)) if text),
        )
    screen.print(table)


def show_counts(counts: Sequence[Count], screen: Console) -> None:
    """Print how often each decision and label occurs, the most frequent first, with its share and the running share."""
    table = _table()
    table.add_column("decision", no_wrap=True)
    table.add_column("label", no_wrap=True)
    for heading in ("frames", "share", "running"):
        table.add_column(heading, justify="right", no_wrap=True)
    total, running = sum(count.frames for count in counts), 0
    for count in counts:
        running += count.frames
        table.add_row(
            _decision(count.decision),
            _plain(count.label or ""),
            f"{count.frames:,}",
            f"{count.frames / total:.1%}",
            f"{running / total:.1%}",
        )
    screen.print(table)


def show_log(entries: Sequence[LogEntry], screen: Console) -> None:
    """Print a table of what happened to the lines."""
    several_lines = len({entry.line for entry in entries}) > 1
    table = _table()
    for heading in ("at (UTC)", *(["line"] if several_lines else []), "source", "kind"):
        table.add_column(heading, no_wrap=heading == "at (UTC)", max_width=None if heading == "at (UTC)" else 20)
    table.add_column("what", overflow="fold")
    for entry in entries:
        line = [_plain(entry.line)] if several_lines else []
        what = (_plain(entry.kind), _plain(entry.message))
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", *line, _plain(entry.source or ""), *what)
    screen.print(table)


def log_json(entry: LogEntry) -> str:
    """Return one entry of the log as a JSON object on one line."""
    record = {**dict(zip(LOG_COLUMNS, next(log_records([entry])), strict=True)), "detail": dict(entry.detail)}
    return json.dumps(record, ensure_ascii=False)


def log_records(entries: Iterable[LogEntry]) -> Iterator[list[object]]:
    """Yield the values of :data:`LOG_COLUMNS`; details as JSON."""
    for entry in entries:
        detail = json.dumps(dict(entry.detail), ensure_ascii=False)
        yield [entry.at.isoformat(), entry.line, entry.source, entry.kind, entry.message, detail]


def write_csv(header: Sequence[str], records: Iterable[Sequence[object]], out: TextIO) -> None:
    """Write a table with a header."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(records)


def csv_records(rows: Iterable[InspectionRow]) -> Iterator[list[object]]:
    """Yield the values of :data:`COLUMNS`; times with zone, scores as JSON."""
    for row in rows:
        record: dict[str, object] = {column: getattr(row, column) for column in COLUMNS}
        record["captured_at"] = row.captured_at.isoformat()
        record["completed_at"] = row.completed_at.isoformat()
        record["scores"] = json.dumps(row.scores, ensure_ascii=False)
        yield list(record.values())


def to_json(row: InspectionRow) -> str:
    """Return one inspection as a JSON object on one line."""
    known = {
        "serial": row.serial,
        "lot": row.lot,
        "order": row.work_order,
        "tray": row.tray,
        "coil": row.coil,
        "side": row.side,
        "metre": row.metre,
        "across": row.across,
    }
    model = {"name": row.model_name, "version": row.model_version, "sha256": row.model_sha256}
    late = {"decision": row.late_decision, "label": row.late_label, "confidence": row.late_confidence}
    heatmap = {
        "method": row.heatmap_method,
        "label": row.heatmap_label,
        "peak": None if row.peak_x is None else [row.peak_x, row.peak_y],
    }
    record = {
        "frame_id": row.frame_id,
        "line": row.line,
        "source": row.source,
        "sequence": row.sequence,
        "captured_at": row.captured_at.isoformat(),
        "completed_at": row.completed_at.isoformat(),
        "decision": row.decision,
        "label": row.label,
        "confidence": row.confidence,
        "scores": row.scores,
        "novelty": row.novelty,
        "reason": row.reason,
        "truth_label": row.truth_label,
        "late": None if row.late_decision is None else late,
        "buffered": row.buffered,
        "part": {key: value for key, value in known.items() if value is not None},
        "origin": row.origin,
        "size": None if row.width is None else [row.width, row.height],
        "model": None if row.model_name is None else model,
        "config_hash": row.config_hash,
        "timings_ms": {
            "wait": row.wait_ms,
            "decode": row.decode_ms,
            "classify": row.classify_ms,
            "explain": row.explain_ms,
        },
        "heatmap": None if row.heatmap_method is None else heatmap,
        "regions": [
            {"box": [region.x0, region.y0, region.x1, region.y1], "area": region.area, "score": region.score}
            for region in row.regions
        ],
        "evidence": [{"kind": kept.kind, "path": kept.path} for kept in row.evidence],
    }
    return json.dumps(record, ensure_ascii=False)


def shortened(text: str, width: int) -> str:
    """Return *text* without its middle: the source at its beginning and the number at its end tell frames apart."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _table() -> Table:
    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def _part(row: InspectionRow) -> str:
    names = ("serial", "lot", "tray", "coil", "side")
    words = [f"{key} {getattr(row, key)}" for key in names if getattr(row, key) is not None]
    if row.work_order is not None:
        words.append(f"order {row.work_order}")
    if row.metre is not None:
        words.append(f"{row.metre:g} m")
    if row.across is not None:
        words.append(f"{row.across:g} mm across")
    return ", ".join(words)


def _afterwards(row: InspectionRow) -> str:
    words = []
    if row.late_decision is not None:
        said = "" if row.late_label is None else f" {row.late_label} {_number(row.late_confidence, 3)}"
        words.append(f"late answer: {row.late_decision}{said}")
    if row.buffered:
        words.append("delivered late")
    return ", ".join(words)


def _decision(decision: str) -> Text:
    return Text(decision, style=COLOURS.get(Decision(decision), "") if decision in set(Decision) else "")


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _plain(text: str) -> Text:
    """Return text from outside without anything that a terminal would obey."""
    return Text("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))
