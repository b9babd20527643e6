"""The ledger: captured = recorded + dropped(reason) + in flight, at every moment, for each source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a frame ended: recorded in the journal for every sink, or dropped for a reason."""

    dropped: str | None = None

    @property
    def recorded(self) -> bool:
        """True where the frame is safe."""
        return self.dropped is None


RECORDED = Outcome()


@dataclass(frozen=True, slots=True)
class Balance:
    """What the ledger says at one moment."""

    captured: int = 0
    recorded: int = 0
    in_flight: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason -> frames

    @property
    def balanced(self) -> bool:
        """True where every captured frame is accounted for."""
        return self.captured == self.recorded + sum(self.dropped.values()) + self.in_flight

    def and_then(self, later: Balance) -> Balance:
        """Return this balance and a later one together."""
        dropped = Counter(self.dropped)
        dropped.update(later.dropped)
        return Balance(
            self.captured + later.captured,
            self.recorded + later.recorded,
            self.in_flight + later.in_flight,
            dict(dropped),
        )

    def __str__(self) -> str:
        dropped = sum(self.dropped.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        return (
            f"{self.captured} captured = {self.recorded} recorded + {dropped} dropped"
            f"{f' ({reasons})' if reasons else ''} + {self.in_flight} in flight"
        )


COUNTED_AS_RECORDED = ""
"""The reason under which recorded frames are counted, where counts stand beside those of drops."""


def balances(captured: Mapping[str, int], outcomes: Counter[tuple[str, str]]) -> dict[str, Balance]:
    """Return the balance of each source with nothing in flight, from counts by (source, reason)."""
    recorded: Counter[str] = Counter()
    dropped: dict[str, dict[str, int]] = {}
    for (source, reason), frames in outcomes.items():
        if reason == COUNTED_AS_RECORDED:
            recorded[source] += frames
        else:
            dropped.setdefault(source, {})[reason] = frames
    return {
        source: Balance(frames, recorded[source], 0, dropped.get(source, {})) for source, frames in captured.items()
    }


class Ledger:
    """Counts every frame once when it is captured and once when it is settled.

    What is in flight is held by id rather than worked out as a difference, so that a frame that was settled twice or
    never shows as an imbalance instead of hiding in it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._captured: Counter[str] = Counter()
        self._recorded: Counter[str] = Counter()
        self._dropped: dict[str, Counter[str]] = {}
        self._in_flight: dict[str, set[str]] = {}

    def capture(self, source: str, frame_id: str) -> bool:
        """Count a frame in. False means that the same frame is in flight already, and nothing was counted."""
        with self._lock:
            in_flight = self._in_flight.setdefault(source, set())
            if frame_id in in_flight:
                return False
            in_flight.add(frame_id)
            self._captured[source] += 1
            return True

    def settle(self, source: str, frame_id: str, outcome: Outcome) -> bool:
        """Count a frame out. False means that it was not in flight, and nothing was counted."""
        with self._lock:
            in_flight = self._in_flight.setdefault(source, set())
            if frame_id not in in_flight:
                return False
            in_flight.remove(frame_id)
            if outcome.dropped is None:
                self._recorded[source] += 1
            else:
                self._dropped.setdefault(source, Counter())[outcome.dropped] += 1
            return True

    @property
    def sources(self) -> list[str]:
        """The sources that have captured anything."""
        with self._lock:
            return list(self._captured)

    def balance(self, source: str | None = None) -> Balance:
        """Return the balance of one source, or of all."""
        with self._lock:
            sources = list(self._captured) if source is None else [source]
            dropped: Counter[str] = Counter()
            for name in sources:
                dropped.update(self._dropped.get(name, {}))
            return Balance(
                captured=sum(self._captured[name] for name in sources),
                recorded=sum(self._recorded[name] for name in sources),
                in_flight=sum(len(self._in_flight.get(name, ())) for name in sources),
                dropped=dict(dropped),
            )
