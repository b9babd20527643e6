"""The log of a line: what happened to it that is worth keeping and is neither an inspection nor an alarm.

A frame that was dropped, a gap in a source's numbers, a new configuration, a sink that went away: without them the
history has holes that nobody can explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

NO_DETAIL: Mapping[str, str | int | float | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One thing that happened."""

    id: str  # the same entry delivered twice has the same id
    line: str
    at: datetime  # UTC
    kind: str  # "frame dropped", "sequence gap", "config changed", ...: a few words that a person can filter by
    message: str  # one sentence for a person
    source: str | None = None  # the name of the plugin that it is about
    detail: Mapping[str, str | int | float | None] = field(default_factory=lambda: NO_DETAIL)


DROPPED = "frame dropped"
"""The kind of a dropped frame; its detail has frame_id, sequence, captured_at (ISO 8601, UTC) and reason."""

STARTED = "line started"
"""The kind of a line's first entry: what an earlier run has left raised, nobody watches any more."""
