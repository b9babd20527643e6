"""Inspections for the tests of sinks: as a line makes them, without a line."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from linecore.alarms import Alarm, AlarmState, Priority
from linecore.inspection import (
    Decision,
    Explanation,
    Frame,
    Image,
    Inspection,
    ModelId,
    Part,
    Region,
    Timings,
    Verdict,
)
from linecore.testing import grey

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
MODEL = ModelId("neu", "1.0.0", "ab" * 32)


def inspection(
    number: int = 1,
    decision: Decision = Decision.FAIL,
    label: str = "scratches",
    *,
    image: Image | None = None,
    encoded: bytes | None = None,
    key: str | None = None,
    explained: bool = True,
) -> Inspection:
    """Return an inspection of a grey frame with one hot spot at x 20..24, y 4..8."""
    image = grey() if image is None else image
    heatmap = np.zeros(image.shape[:2], np.float32)
    heatmap[4:8, 20:24] = 1.0
    explanation = Explanation(heatmap, "class maps", label, (Region((20, 4, 24, 8), 16, 1.0),))
    frame_id = f"line-1/folder/{key if key is not None else number}"
    frame = Frame(frame_id, "line-1", "folder", number, NOON, image, encoded, Part(coil="C7", metre=1.5), "a.jpg")
    reason = "bad image: empty" if decision is Decision.NO_RESULT else None
    verdict = Verdict(decision, label, 0.97, None, reason, MODEL, {label: 0.97, "ok": 0.03})
    return Inspection(frame, verdict, Timings(1, 2, 3, 4), NOON, explanation if explained else None)


def alarm(state: AlarmState = AlarmState.RAISED) -> Alarm:
    """Return an alarm in a state."""
    return Alarm("line-1/burst/1", "line-1", "burst", Priority.HIGH, state, "3 of 5", NOON, NOON, ("line-1/folder/1",))
