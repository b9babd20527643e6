"""Alarms: rules over inspections, and the state of what they raised.

An alarm calls for an operator's action (ISA-18.2): it is a state, raised once when its condition comes true and cleared
once when the condition is gone, however many frames confirm it in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from threading import RLock

from pydantic import BaseModel, ConfigDict, Field, model_validator

from linecore.clock import Clock
from linecore.inspection import Decision, Inspection


class AlarmState(StrEnum):
    """Where an alarm is in its life."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    SHELVED = "shelved"


class Priority(StrEnum):
    """How soon an operator must act."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One occurrence of an alarm, in one of its states."""

    id: str  # of this occurrence: raised and cleared carry the same
    line: str
    name: str
    priority: Priority
    state: AlarmState
    message: str  # one sentence for the operator
    raised_at: datetime  # UTC
    changed_at: datetime  # UTC, of this state
    frame_ids: tuple[str, ...] = ()  # the frames that made the condition true, oldest first


class AlarmRule(BaseModel):
    """One table ``[[alarms]]``: a condition over the inspections of a line.

    Exactly one kind of condition: ``count`` with ``of`` (n of the last m frames), ``count`` or ``rate`` with
    ``within_s`` (so many frames, or such a part of them, over a time window), or ``silence_s`` (no frame for so long).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=100, description="what the operator reads")
    priority: Priority = Field(Priority.MEDIUM, description="low, medium, high or critical")
    decisions: tuple[Decision, ...] = Field(
        (Decision.FAIL,), min_length=1, description="decisions that count; NO_RESULT among them counts missing answers"
    )
    labels: tuple[str, ...] | None = Field(None, description="labels that count; unset: all")
    sources: tuple[str, ...] | None = Field(None, description="names of the sources that count; unset: all")
    count: int | None = Field(None, ge=1, description="frames that must match")
    of: int | None = Field(None, ge=1, description="the last so many frames are looked at")
    rate: float | None = Field(None, gt=0, le=1, description="part of the frames that must match, 0..1")
    within_s: float | None = Field(None, gt=0, description="seconds that are looked at")
    at_least: int = Field(10, ge=1, description="frames that a rate needs before it is believed")
    silence_s: float | None = Field(None, gt=0, description="seconds without a frame")

    @model_validator(mode="after")
    def _one_condition(self) -> AlarmRule:
        given = {key for key in ("count", "of", "rate", "within_s", "silence_s") if getattr(self, key) is not None}
        if given not in ({"count", "of"}, {"count", "within_s"}, {"rate", "within_s"}, {"silence_s"}):
            raise ValueError(
                f"{self.name!r} sets {', '.join(sorted(given)) or 'no condition'}; it must set count and of, count and "
                "within_s, rate and within_s, or silence_s"
            )
        if self.count is not None and self.of is not None and self.count > self.of:
            raise ValueError(f"{self.name!r} wants {self.count} of {self.of} frames; count must not exceed of")
        return self


class _Watch:
    """Looks at the frames of a line for one rule; times are seconds of a clock that nobody sets back."""

    def __init__(self, rule: AlarmRule, now: float) -> None:
        self.rule = rule
        self.alarm: Alarm | None = None  # while it is raised
        self._seen: deque[tuple[float, str, bool]] = deque()  # when, which frame, whether it matches
        self._matching = 0
        self._last_frame_at = now

    def counts(self, source: str) -> bool:
        return self.rule.sources is None or source in self.rule.sources

    def frame_arrived(self, now: float) -> None:
        self._last_frame_at = now

    def observe(self, inspection: Inspection, now: float) -> None:
        if self.rule.silence_s is not None:
            return
        verdict = inspection.verdict
        matches = verdict.decision in self.rule.decisions and (
            self.rule.labels is None or verdict.label in self.rule.labels
        )
        self._seen.append((now, inspection.frame.id, matches))
        self._matching += matches

    def holds(self, now: float) -> bool:
        rule = self.rule
        if rule.silence_s is not None:
            return now - self._last_frame_at >= rule.silence_s
        self._forget(now)
        if rule.rate is not None:
            return len(self._seen) >= rule.at_least and self._matching / len(self._seen) >= rule.rate
        return rule.count is not None and self._matching >= rule.count

    def message(self) -> str:
        rule = self.rule
        if rule.silence_s is not None:
            return f"no frame for {rule.silence_s:g} s"
        what = "/".join(rule.decisions) + (f" {'/'.join(rule.labels)}" if rule.labels else "")
        span = f"the last {rule.of} frames" if rule.of else f"{len(self._seen)} frames in {rule.within_s:g} s"
        return f"{self._matching} of {span} are {what}"

    def frame_ids(self) -> tuple[str, ...]:
        return tuple(frame_id for _, frame_id, matches in self._seen if matches)[-_EVIDENCE:]

    def _forget(self, now: float) -> None:
        while self._seen and self._is_past(now):
            self._matching -= self._seen.popleft()[2]

    def _is_past(self, now: float) -> bool:
        if self.rule.of is not None:
            return len(self._seen) > self.rule.of
        assert self.rule.within_s is not None
        return now - self._seen[0][0] > self.rule.within_s


_EVIDENCE = 20  # frames that an alarm names; an operator looks at a few, and a rate may be over thousands


class AlarmBoard:
    """Holds the rules of a line and the state of their alarms; calls *changed* once for each change of state.

    Safe to call from several threads; *changed* is called under the board's lock, so that changes keep their order.
    """

    def __init__(self, line: str, rules: Sequence[AlarmRule], changed: Callable[[Alarm], None], clock: Clock) -> None:
        self._line = line
        self._changed = changed
        self._clock = clock
        self._watches = [_Watch(rule, clock.monotonic()) for rule in rules]
        self._own: dict[str, Alarm] = {}  # the line's own, by name, while they are raised
        self._lock = RLock()  # telling of a change may raise another
        self._occurrences = 0
        self._over = False  # nobody watches any more
        self._started = clock.now()

    @property
    def active(self) -> tuple[Alarm, ...]:
        """The alarms that are raised now."""
        with self._lock:
            return (*(watch.alarm for watch in self._watches if watch.alarm is not None), *self._own.values())

    def frame_arrived(self, source: str) -> None:
        """A source has delivered: what its silence raised is cleared."""
        now = self._clock.monotonic()
        with self._lock:
            for watch in self._watches:
                if watch.rule.silence_s is not None and watch.counts(source):
                    watch.frame_arrived(now)
                    self._look(watch, now)

    def observe(self, inspection: Inspection, source: str | None = None) -> None:
        """Count an inspection of *source* (default: the frame's own), and raise or clear what follows from it."""
        now = self._clock.monotonic()
        with self._lock:
            for watch in self._watches:
                if watch.counts(source or inspection.frame.source):
                    watch.observe(inspection, now)
                    self._look(watch, now)

    def tick(self) -> None:
        """Look at the rules that time alone can change; to be called now and then."""
        now = self._clock.monotonic()
        with self._lock:
            for watch in self._watches:
                if watch.rule.of is None:
                    self._look(watch, now)

    def clear_all(self, why: str) -> None:
        """Clear what is raised, since nobody watches its condition any more, and raise nothing more."""
        with self._lock:
            self._over = True
            for watch in self._watches:
                self._clear(watch, why)
            for name in list(self._own):
                self._clear_own(name, why)

    def raise_own(self, name: str, priority: Priority, message: str) -> None:
        """Raise an alarm of the line's own, which no rule has asked for: its journal, a sink, a plugin in trouble."""
        with self._lock:
            if name not in self._own and not self._over:
                self._own[name] = self._raised(name, priority, message)
                self._changed(self._own[name])

    def clear_own(self, name: str, message: str) -> None:
        """Clear an alarm of the line's own, where it is raised."""
        with self._lock:
            self._clear_own(name, message)

    def use(self, rules: Sequence[AlarmRule]) -> None:
        """Go on with other rules; those that stay the same keep what they have seen."""
        now = self._clock.monotonic()
        with self._lock:
            left, watches = list(self._watches), list[_Watch]()
            for rule in rules:
                known = next((watch for watch in left if watch.rule == rule), None)
                if known is not None:
                    left.remove(known)
                watches.append(known or _Watch(rule, now))
            self._watches = watches
            for watch in left:
                self._clear(watch, "its rule was removed")

    def _clear_own(self, name: str, message: str) -> None:
        if alarm := self._own.pop(name, None):
            self._changed(replace(alarm, state=AlarmState.CLEARED, changed_at=self._clock.now(), message=message))

    def _raised(self, name: str, priority: Priority, message: str, frame_ids: tuple[str, ...] = ()) -> Alarm:
        self._occurrences += 1
        raised_at = self._clock.now()
        return Alarm(
            id=f"{self._line}/{name}/{self._started:%Y%m%dT%H%M%S.%f}-{self._occurrences}",
            line=self._line,
            name=name,
            priority=priority,
            state=AlarmState.RAISED,
            message=message,
            raised_at=raised_at,
            changed_at=raised_at,
            frame_ids=frame_ids,
        )

    def _look(self, watch: _Watch, now: float) -> None:
        if not watch.holds(now):
            self._clear(watch, watch.message())
        elif watch.alarm is None and not self._over:
            watch.alarm = self._raised(watch.rule.name, watch.rule.priority, watch.message(), watch.frame_ids())
            self._changed(watch.alarm)

    def _clear(self, watch: _Watch, why: str) -> None:
        if watch.alarm is not None:
            cleared = replace(watch.alarm, state=AlarmState.CLEARED, changed_at=self._clock.now(), message=why)
            watch.alarm = None
            self._changed(cleared)
