"""The table ``[journal]`` of a line's file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class JournalSettings(BaseModel):
    """The table ``[journal]``: how much, and for how long, the line keeps for sinks that are away."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_mb: float = Field(
        4096, gt=0, description="megabytes that wait for sinks at most; beyond, the oldest is let go, after an alarm"
    )
    max_age_h: float = Field(
        168, gt=0, description="hours that a delivery waits for a sink at most; older ones are let go, after an alarm"
    )
