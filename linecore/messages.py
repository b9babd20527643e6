"""Inspections and alarms as JSON: one form for every plugin and command that tells the world."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TypeAlias

from linecore.alarms import Alarm
from linecore.inspection import Inspection, Verdict

SCHEMA_VERSION = 1

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def time_text(time: datetime) -> str:
    """Return a UTC time as ISO 8601 with its zone and milliseconds."""
    return time.isoformat(timespec="milliseconds")


def inspection_message(inspection: Inspection) -> dict[str, Json]:
    """Return what is known of a frame, without its pixels."""
    frame, verdict, explanation = inspection.frame, inspection.verdict, inspection.explanation
    model = verdict.model
    return {
        "schema_version": SCHEMA_VERSION,
        "frame_id": text(frame.id),
        "line": frame.line,
        "source": frame.source,
        "sequence": frame.sequence,
        "captured_at": time_text(frame.captured_at),
        "completed_at": time_text(inspection.completed_at),
        "origin": None if frame.origin is None else text(frame.origin),
        "part": {key: value for key, value in asdict(frame.part).items() if value is not None},
        "decision": verdict.decision,
        "label": verdict.label,
        "confidence": number(verdict.confidence),
        "scores": scores(verdict.scores),
        "novelty": number(verdict.novelty),
        "reason": verdict.reason,
        "model": None if model is None else {"name": model.name, "version": model.version, "sha256": model.sha256},
        "regions": regions(inspection),
        "peak": None if explanation is None or explanation.peak is None else list(explanation.peak),
        "evidence": {one.kind: text(one.path) for one in inspection.evidence},
        "latency_ms": round(inspection.timings.verdict, 3),
        "config_hash": inspection.config_hash,
        "buffered": inspection.buffered,
        "late": None if inspection.late is None else _late_verdict(inspection.late),
    }


def alarm_message(alarm: Alarm) -> dict[str, Json]:
    """Return an alarm in its present state."""
    return {
        "schema_version": SCHEMA_VERSION,
        "alarm_id": alarm.id,
        "line": alarm.line,
        "name": alarm.name,
        "priority": alarm.priority,
        "state": alarm.state,
        "message": alarm.message,
        "raised_at": time_text(alarm.raised_at),
        "changed_at": time_text(alarm.changed_at),
        "frame_ids": [text(frame_id) for frame_id in alarm.frame_ids],
    }


def regions(inspection: Inspection) -> list[Json]:
    """Return the regions of the heat map, hottest first."""
    found = inspection.explanation.regions if inspection.explanation else ()
    return [{"box": list(one.box), "area": one.area, "score": round(one.score, 4)} for one in found]


def scores(by_label: Mapping[str, float]) -> dict[str, Json]:
    """Return the probability of each label."""
    return {label: number(score) for label, score in by_label.items()}


def _late_verdict(verdict: Verdict) -> dict[str, Json]:
    """Return what the classifier said after the deadline: for a person, and never the verdict."""
    return {"decision": verdict.decision, "label": verdict.label, "confidence": number(verdict.confidence)}


def number(value: float | None) -> float | None:
    """Return a number that JSON can hold: None for what is not finite, six significant digits."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def text(value: str) -> str:
    """Return text that UTF-8 can hold: a file name may have bytes that are no characters."""
    return value.encode(errors="backslashreplace").decode()
