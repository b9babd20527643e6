"""Turns the words of the line into rows that every database takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from linecore.alarms import Alarm
from linecore.events import FrameDropped
from linecore.inspection import Frame, Inspection
from linecore_db.columns import clean, finite, name, prose, storable_id, utc

Row = Mapping[str, object]
"""Column -> value."""


def drop_row(event: FrameDropped, dropped_at: datetime) -> Row:
    """Return what the history keeps of a drop: not the picture."""
    frame = event.frame
    return {
        **_identity(frame),
        "captured_at": utc(frame.captured_at),
        "dropped_at": dropped_at,
        "reason": prose(event.reason),
    }


def inspection_row(inspection: Inspection) -> Row:
    """Return the row of an inspection, without its regions and evidence."""
    frame, verdict, model = inspection.frame, inspection.verdict, inspection.verdict.model
    explanation, timings, part = inspection.explanation, inspection.timings, inspection.frame.part
    peak_x, peak_y = (explanation.peak if explanation else None) or (None, None)
    height, width = frame.image.shape[:2] if frame.image.size else (None, None)
    return {
        **_identity(frame),
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
        "label": name(verdict.label),
        "confidence": finite(verdict.confidence),
        "scores": {clean(label): finite(score) for label, score in verdict.scores.items()},
        "novelty": finite(verdict.novelty),
        "reason": prose(verdict.reason),
        "truth_label": name(frame.truth.label) if frame.truth else None,
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


def _identity(frame: Frame) -> Row:
    return {
        "frame_id": storable_id(frame.id),
        "line": name(frame.line),
        "source": name(frame.source),
        "sequence": int(frame.sequence),
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
