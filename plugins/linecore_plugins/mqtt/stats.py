"""What a line has counted since it started: what stands retained on the topic ``stats``."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

from linecore.events import VerdictReached
from linecore.messages import SCHEMA_VERSION, Json, time_text

if TYPE_CHECKING:
    from linecore.line import Line


class LineStats:
    """Counts a line's verdicts, and reads its ledger."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._since = line.clock.now()
        self._lock = Lock()
        self._decisions: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self.close = line.bus.subscribe(VerdictReached, self._count)

    def body(self) -> dict[str, Json]:
        """Return the counts now. The ledger's parts add up: captured = recorded + dropped + in flight."""
        line = self._line
        balance = line.balance
        with self._lock:
            decisions, labels = dict(self._decisions), dict(self._labels)
        return {
            "schema_version": SCHEMA_VERSION,
            "line": line.name,
            "started_at": None if line.started_at is None else time_text(line.started_at),
            "captured": balance.captured,
            "recorded": balance.recorded,
            "dropped": dict(balance.dropped),
            "in_flight": balance.in_flight,
            "verdicts_since": time_text(self._since),
            "decisions": {**decisions},
            "labels": {**labels},
            "waiting": line.dispatch.journal.state.entries,
        }

    def _count(self, event: VerdictReached) -> None:
        verdict = event.inspection.verdict
        with self._lock:
            self._decisions[verdict.decision.value] += 1
            if verdict.label is not None:
                self._labels[verdict.label] += 1
