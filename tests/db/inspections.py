"""Inspections for tests, small and different in what a test says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from linecore.inspection import (
    Decision,
    Evidence,
    Explanation,
    Frame,
    Inspection,
    ModelId,
    Part,
    Region,
    Timings,
    Truth,
    Verdict,
    read_only,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MODEL = ModelId("neu", "1.2", "ab" * 32)


def inspection(
    number: int = 0,
    *,
    frame_id: str | None = None,
    line: str = "hot-strip-1",
    source: str = "camera",
    decision: Decision = Decision.FAIL,
    label: str | None = "scratches",
    captured_at: datetime | None = None,
    part: Part = Part(),  # noqa: B008  # frozen
    reason: str | None = None,
    origin: str | None = None,
    confidence: float | None = 0.98,
    novelty: float | None = 0.25,
    regions: int = 1,
) -> Inspection:
    """Return an inspection of frame *number*, captured so many seconds after noon."""
    heatmap = np.zeros((4, 6), np.float32)
    heatmap[1, 2] = 1.0
    captured_at = captured_at or NOON + timedelta(seconds=number)
    return Inspection(
        Frame(
            id=frame_id if frame_id is not None else f"{line}/{source}/{number:04d}.jpg",
            line=line,
            source=source,
            sequence=number,
            captured_at=captured_at,
            image=read_only(np.zeros((4, 6), np.uint8)),
            part=part,
            origin=origin,
            truth=Truth("scratches"),
        ),
        Verdict(decision, label, confidence, novelty, reason, MODEL, {"scratches": 0.98, "ok": 0.02} if label else {}),
        Timings(1.0, 2.0, 3.0, 4.0),
        captured_at + timedelta(milliseconds=10),
        Explanation(
            heatmap, "class maps", label or "", tuple(Region((n, 0, n + 2, 3), 6, 0.75) for n in range(regions))
        ),
        (Evidence("image", f"evidence/{number}.png"),),
        "cd" * 32,
    )
