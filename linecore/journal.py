"""What has been decided and is not yet held by every durable sink.

The journal is in memory: a frame leaves it, and its source is told, only when all durable sinks have stored the frame.
After a crash the sources offer again what they were not told of, and the sinks store it once by its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from linecore.inspection import Frame, Inspection


class Journal:
    """Knows which durable sinks still owe which frame; calls *safe* with a frame once none does."""

    def __init__(self, durable_sinks: Iterable[str], safe: Callable[[Frame], None]) -> None:
        self._durable_sinks = frozenset(durable_sinks)
        self._safe = safe
        self._owed: dict[str, set[str]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._owed)

    def append(self, inspection: Inspection) -> None:
        """Take note of an inspection, before any sink is offered it."""
        if self._durable_sinks:
            with self._lock:
                self._owed[inspection.frame.id] = set(self._durable_sinks)
        else:
            self._safe(inspection.frame)

    def forget(self, frame: Frame) -> None:
        """Let a frame go that was dropped after it had been noted."""
        with self._lock:
            self._owed.pop(frame.id, None)

    def strike_off(self, sink: str, inspections: Sequence[Inspection]) -> None:
        """A sink has stored these."""
        for inspection in inspections:
            with self._lock:
                owed = self._owed.get(inspection.frame.id, set())
                was_owed = sink in owed
                owed.discard(sink)
                if safe := was_owed and not owed:
                    del self._owed[inspection.frame.id]
            if safe:
                self._safe(inspection.frame)
