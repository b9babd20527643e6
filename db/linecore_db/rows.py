"""Turns the words of the line into rows that every database takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from linecore.alarms import Alarm
from linecore.inspection import Inspection
from linecore.log import DROPPED, LogEntry
from linecore_db.columns import clean, finite, name, prose, storable_id, utc

Row = Mapping[str, Any]
"""Column -> value."""


def drop_row(entry: LogEntry) -> Row | None:
    """Return what the history keeps of a dropped frame, or None where *entry* is about something else.

    An entry of that kind that does not say which frame it was stays what it is: an entry.
    """
    if entry.kind != DROPPED or entry.source is None:
        return None
    match entry.detail:
        case {"frame_id": str(frame_id), "sequence": int(sequence), "captured_at": str(captured), "reason": str(why)}:
            captured_at = _moment(captured)
        case _:
            captured_at = None
    if captured_at is None:
        return None
    return {
        "frame_id": storable_id(frame_id),
        "line": name(entry.line),
        "source": name(entry.source),
        "sequence": int(sequence),
        "captured_at": captured_at,
        "dropped_at": utc(entry.at),
        "reason": prose(why),
    }


def log_row(entry: LogEntry) -> Row:
    """Return the row of an entry."""
    return {
        "id": storable_id(entry.id),
        "line": name(entry.line),
        "at": utc(entry.at),
        "kind": name(entry.kind),
        "message": prose(entry.message),
        "source": name(entry.source),
        "detail": {clean(key): _plain(value) for key, value in entry.detail.items()},
    }


def inspection_row(inspection: Inspection) -> Row:
    """Return the row of an inspection, without its regions and evidence."""
    frame, verdict, model = inspection.frame, inspection.verdict, inspection.verdict.model
    explanation, timings, part, late = inspection.explanation, inspection.timings, frame.part, inspection.late
    peak_x, peak_y = (explanation.peak if explanation else None) or (None, None)
    height, width = frame.image.shape[:2] if frame.image.size else (None, None)
    return {
        "frame_id": storable_id(frame.id),
        "line": name(frame.line),
        "source": name(frame.source),
        "sequence": int(frame.sequence),
        "serial": name(part.serial),
        "lot": name(part.lot),
        "work_order": name(part.order),
        "tray": name(part.tray),
        "coil": name(part.coil),
        "side": name(part.side),
        "metre": finite(part.metre),
        "across": finite(part.across),
        "origin": prose(frame.origin),
        "width": width,
        "height": height,
        "captured_at": utc(frame.captured_at),
        "completed_at": utc(inspection.completed_at),
        "decision": str(verdict.decision),
        "label": name(verdict.label) or None,
        "confidence": finite(verdict.confidence),
        "scores": {clean(label): finite(score) for label, score in verdict.scores.items()},
        "novelty": finite(verdict.novelty),
        "reason": prose(verdict.reason),
        "truth_label": name(frame.truth.label) if frame.truth else None,
        "late_decision": str(late.decision) if late else None,
        "late_label": name(late.label) if late else None,
        "late_confidence": finite(late.confidence) if late else None,
        "buffered": bool(inspection.buffered),
        "model_name": name(model.name) if model else None,
        "model_version": name(model.version) if model else None,
        "model_sha256": name(model.sha256) if model else None,
        "config_hash": name(inspection.config_hash),
        "wait_ms": finite(timings.wait),
        "decode_ms": finite(timings.decode),
        "classify_ms": finite(timings.classify),
        "explain_ms": finite(timings.explain),
        "heatmap_method": name(explanation.method) if explanation else None,
        "heatmap_label": name(explanation.label) if explanation else None,
        "peak_x": peak_x,
        "peak_y": peak_y,
    }


def region_rows(inspection_id: int, inspection: Inspection) -> Iterator[Row]:
    """Return the rows of an inspection's regions, hottest first."""
    for ordinal, region in enumerate(inspection.explanation.regions if inspection.explanation else ()):
        x0, y0, x1, y1 = map(int, region.box)
        yield {
            "inspection_id": inspection_id,
            "ordinal": ordinal,
            "x0": x0,
            "y0": y0,
            "x1": x1,
            "y1": y1,
            "area": int(region.area),
            "score": finite(region.score),
        }


def evidence_rows(inspection_id: int, inspection: Inspection) -> Iterator[Row]:
    """Return the rows of the files that were kept of an inspection."""
    for ordinal, kept in enumerate(inspection.evidence):
        yield {
            "inspection_id": inspection_id,
            "ordinal": ordinal,
            "kind": name(kept.kind),
            "path": prose(kept.path),
        }


def alarm_row(alarm: Alarm) -> Row:
    """Return the row of an alarm in the state that it is in."""
    return {
        "id": storable_id(alarm.id),
        "line": name(alarm.line),
        "name": name(alarm.name),
        "priority": str(alarm.priority),
        "message": prose(alarm.message),
        "raised_at": utc(alarm.raised_at),
        "state": str(alarm.state),
        "changed_at": utc(alarm.changed_at),
        "frame_ids": [storable_id(known) for known in alarm.frame_ids],
    }


def tally_rows(counted: Iterable[tuple[str, datetime, str, str | None]], sign: int = 1) -> list[Row]:
    """Return by how much inspections change the sums: (line, captured_at, decision, label) each, added or removed.

    In the order of the key, so that two writers never wait for each other crosswise.
    """
    sums = Counter((line, hour_of(at), decision, label or "") for line, at, decision, label in counted)
    return [
        {"line": line, "hour": hour, "decision": decision, "label": label, "frames": sign * frames}
        for (line, hour, decision, label), frames in sorted(sums.items())
    ]


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _moment(text: str) -> datetime | None:
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _plain(value: str | int | float | None) -> str | int | float | None:
    return prose(value) if isinstance(value, str) else finite(value) if isinstance(value, float) else value
