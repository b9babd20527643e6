"""How the line is, in a few words that change seldom: what stands retained on the topic ``state``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from linecore.events import (
    AlarmCleared,
    AlarmRaised,
    ConfigChanged,
    DeliveryRefused,
    Event,
    LineStarted,
    PluginFailed,
    SinkFailed,
    SinkRecovered,
    SourceConnected,
    SourceDisconnected,
    SourceExhausted,
)
from linecore.messages import SCHEMA_VERSION, Json, time_text

if TYPE_CHECKING:
    from linecore.line import Line

TELLING = (
    AlarmCleared,
    AlarmRaised,
    ConfigChanged,
    DeliveryRefused,
    LineStarted,
    PluginFailed,
    SinkFailed,
    SinkRecovered,
    SourceConnected,
    SourceDisconnected,
    SourceExhausted,
)
"""Events after which the state may be another one."""


class LineState:
    """Follows a line's events, and calls *changed* after those that may change its state.

    The sink *own* is left out: who reads this knows that it delivers.
    """

    def __init__(self, line: Line, own: str, changed: Callable[[], None]) -> None:
        self._line = line
        self._own = own
        self._changed = changed
        self._lost: set[str] = set()  # sources that have lost what they read from
        self._dry: set[str] = set()
        self._lock = Lock()
        self._last: dict[str, Json] = {}
        self._since: datetime | None = None
        self._ends = [line.bus.subscribe(kind, self._note) for kind in TELLING]

    def close(self) -> None:
        """Follow no longer."""
        for end in self._ends:
            end()

    def body(self, *, stopped: bool = False) -> dict[str, Json]:
        """Return the state now; `since` tells when it became so."""
        line = self._line
        with self._lock:
            sources = {name: self._source(name) for name in line.sources}
        sinks = {one.sink: one.state for one in line.dispatch.states if one.sink != self._own}
        troubled = [name for name, state in sources.items() if state in ("lost", "failed")]
        failing = {name: state in ("retrying", "away") for name, state in sinks.items()}
        found: dict[str, Json] = {
            "state": "stopped" if stopped else "degraded" if troubled or any(failing.values()) else "running",
            "started_at": None if line.started_at is None else time_text(line.started_at),
            "config_hash": line.config_hash,
            "sources": {**sources},
            "sinks": {name: "failing" if bad else "ok" for name, bad in failing.items()},
            "alarms": [alarm.name for alarm in line.alarms],
        }
        with self._lock:
            if found != self._last or self._since is None:
                self._last, self._since = found, line.clock.now()
            return {"schema_version": SCHEMA_VERSION, "line": line.name, "since": time_text(self._since), **found}

    def _source(self, name: str) -> str:
        if name in self._line.broken_sources:
            return "failed"
        return "lost" if name in self._lost else "dry" if name in self._dry else "running"

    def _note(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, SourceDisconnected):
                self._lost.add(event.source)
            elif isinstance(event, SourceConnected):
                self._lost.discard(event.source)
            elif isinstance(event, SourceExhausted):
                self._dry.add(event.source)
            elif isinstance(event, ConfigChanged):  # sources may be others now
                self._dry = set(self._line.sources) - set(self._line.feed.running)
                self._lost &= set(self._line.sources)
        self._changed()
