"""What a line has counted since it started: what stands retained on the topic ``stats``."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from linecore.events import ConfigChanged, Event, VerdictReached
from linecore.messages import SCHEMA_VERSION, Json, time_text

if TYPE_CHECKING:
    from linecore.line import Line


class LineStats:
    """Counts a line's verdicts since its start or its last reload, and reads its ledger."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = Lock()
        self._last: dict[str, Json] = {}
        self._counted_at: datetime | None = None
        self._forget()
        self._ends = [line.bus.subscribe(VerdictReached, self._count), line.bus.subscribe(ConfigChanged, self._forget)]

    def close(self) -> None:
        """Count no longer."""
        for end in self._ends:
            end()

    def body(self) -> dict[str, Json]:
        """Return the counts now; `counted_at` tells when they became so.

        The ledger's parts add up: captured = recorded + dropped + in flight.
        """
        line = self._line
        balance, journal = line.balance, line.dispatch.journal.state
        with self._lock:
            found: dict[str, Json] = {
                "started_at": None if line.started_at is None else time_text(line.started_at),
                "captured": balance.captured,
                "recorded": balance.recorded,
                "dropped": dict(balance.dropped),
                "in_flight": balance.in_flight,
                "verdicts_since": time_text(self._since),
                "decisions": dict(self._decisions),
                "labels": dict(self._labels),
                "waiting": journal.entries + journal.unwritten,
            }
            if found != self._last or self._counted_at is None:
                self._last, self._counted_at = found, line.clock.now()
            counted_at = time_text(self._counted_at)
        return {"schema_version": SCHEMA_VERSION, "line": line.name, "counted_at": counted_at, **found}

    def _count(self, event: VerdictReached) -> None:
        verdict = event.inspection.verdict
        with self._lock:
            self._decisions[verdict.decision.value] += 1
            if verdict.label is not None:
                self._labels[verdict.label] += 1

    def _forget(self, event: Event | None = None) -> None:
        """Begin again: what judges may be another model now, or other thresholds."""
        with self._lock:
            self._since = self._line.clock.now()
            self._decisions: Counter[str] = Counter()
            self._labels: Counter[str] = Counter()
