"""The spine: one frame in, one inspection out. No I/O, no queue, no thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from linecore.clock import Clock
from linecore.config import LineSettings
from linecore.decision import DecisionRules, decide, no_result, too_late
from linecore.decoding import decode
from linecore.errors import ImageError
from linecore.inspection import Classification, Evidence, Explanation, Frame, Inspection, Timings, Verdict
from linecore.intake import Arrival
from linecore.roster import Roster
from linecore.turns import TurnEnded, is_from_user

QUIET_S = 10.0
FAILURES_KNOWN = 100

T = TypeVar("T")
logger = logging.getLogger(__name__)


class _NotJudgedError(Exception):
    """Why a frame is not even looked at."""


class Inspector:
    """Decodes, classifies, decides and explains by asking the plugins of *roster*.

    *failed* is told the plugin, the hook and the exception where a plugin costs less than the verdict.
    """

    def __init__(
        self,
        roster: Roster,
        rules: DecisionRules,
        settings: LineSettings,
        *,
        config_hash: str,
        clock: Clock,
        failed: Callable[[str, str, BaseException], None],
        hide: Callable[[str], str] = str,
    ) -> None:
        self._roster = roster
        self._rules = rules
        self._settings = settings
        self._config_hash = config_hash
        self._clock = clock
        self._failed = failed
        self._quiet_until: dict[str, float] = {}  # failures that were logged just now
        self._hide = hide  # takes secrets out of what an exception says
        self._forwards = roster.forwards()  # frames are judged elsewhere, and not even decoded here
        self._classifiers, self._explainers, self._keepers = map(roster.answering, ("classify", "explain", "evidence"))

    def judge(self, arrival: Arrival) -> tuple[Inspection, Classification | None, bool]:
        """Return the verdict on a frame, what it rests on, and whether it is the first: whoever is first tells of it.

        What cannot be decoded or judged is a NO_RESULT with its reason. Where the deadline was first, the verdict is
        the deadline's NO_RESULT, and the answer is kept beside it as late.

        Raises:
            TurnEnded: it took so long that nobody waits for it any more.
        """
        frame = arrival.frame
        taken = decoded = self._clock.monotonic()
        classification: Classification | None = None
        try:
            if frame.unfit is not None or self._forwards:
                raise _NotJudgedError(frame.unfit or "not judged here: forwarded")
            if frame.encoded is not None and not frame.image.size:
                frame = frame.decoded(decode(frame.encoded))
            decoded = self._clock.monotonic()
            if not frame.image.size:
                raise ImageError("the frame has no pixels")
            classification = self._classify(frame)
            verdict = (
                no_result("no classifier answered") if classification is None else decide(classification, self._rules)
            )
        except _NotJudgedError as error:
            verdict = no_result(str(error))
        except ImageError as error:
            verdict = no_result(f"bad image: {error}")
        except TurnEnded:
            raise
        except BaseException as error:  # an answer of the wrong kind, and a plugin that wants to exit, among them
            if is_from_user(error):
                raise
            self._log_failure(frame, error)
            classification = None
            verdict = no_result(self._hide(f"the classifier failed: {type(error).__name__}: {error}"))
        done = self._clock.monotonic()
        first = arrival.answer()
        verdict, late = self._in_time(arrival, verdict, 1000 * (done - arrival.at))
        timings = Timings(*(1000 * step for step in (taken - arrival.at, decoded - taken, done - decoded)))
        inspection = Inspection(frame, verdict, timings, self._clock.now(), config_hash=self._config_hash, late=late)
        return inspection, classification, first

    def give_up(self, arrival: Arrival, reason: str) -> Inspection:
        """Return the NO_RESULT for a frame that nobody has judged."""
        timings = Timings(wait=1000 * (self._clock.monotonic() - arrival.at))
        inspection = Inspection(
            arrival.frame, no_result(reason), timings, self._clock.now(), config_hash=self._config_hash
        )
        return inspection

    def late_reason(self, arrival: Arrival) -> str:
        """Say why a frame has no verdict in time."""
        waited = 1000 * (self._clock.monotonic() - arrival.at)
        return f"no verdict within {self._rules.deadline_ms:g} ms: it has waited {waited:.0f} ms"

    def explain(self, inspection: Inspection, classification: Classification | None) -> Inspection:
        """Return *inspection* with its heat map, where its decision asks for one, and with what will be kept of it."""
        if classification is not None and inspection.verdict.decision in self._settings.explain:
            began = self._clock.monotonic()
            explanation = self._ask_for_explanation(inspection.frame, classification)
            took = 1000 * (self._clock.monotonic() - began)
            inspection = replace(inspection, explanation=explanation, timings=replace(inspection.timings, explain=took))
        return self.with_evidence(inspection)

    def with_evidence(self, inspection: Inspection) -> Inspection:
        """Return *inspection* complete, with the files that sinks will keep of it."""
        return replace(inspection, evidence=self._ask_for_evidence(inspection), completed_at=self._clock.now())

    def warm(self, frame: Frame) -> None:
        """Classify a frame for nothing, so that the first real one finds the model loaded.

        Raises:
            BaseException: what the classifier raised.
        """
        self._classify(frame)

    def _log_failure(self, frame: Frame, error: BaseException) -> None:
        """Log a classifier's failure with its traceback, the same one not more often than now and then."""
        said, now = f"{type(error).__name__}: {error}", self._clock.monotonic()
        if now >= self._quiet_until.get(said, now):
            if len(self._quiet_until) >= FAILURES_KNOWN:
                self._quiet_until.clear()
            self._quiet_until[said] = now + QUIET_S
            logger.exception("classifying %s failed", frame.id)

    def _classify(self, frame: Frame) -> Classification | None:
        for name in self._classifiers:
            answer = _expect(Classification, self._roster.ask(name, "classify", frame=frame))
            if answer is not None:
                return answer
        return None

    def _in_time(self, arrival: Arrival, verdict: Verdict, elapsed_ms: float) -> tuple[Verdict, Verdict | None]:
        deadline_ms = self._rules.deadline_ms
        if deadline_ms is None or (not arrival.expired and elapsed_ms <= deadline_ms):
            return verdict, None
        return too_late(verdict, deadline_ms, elapsed_ms), verdict if verdict.label is not None else None

    def _ask_for_explanation(self, frame: Frame, classification: Classification) -> Explanation | None:
        for name in self._explainers:
            try:
                answer = self._roster.ask(name, "explain", frame=frame, classification=classification)
                if (explanation := _expect(Explanation, answer)) is not None:
                    return explanation
            except TurnEnded:
                raise
            except BaseException as error:
                if is_from_user(error):
                    raise
                self._failed(name, "explain", error)
                return None
        return None

    def _ask_for_evidence(self, inspection: Inspection) -> tuple[Evidence, ...]:
        named: list[Evidence] = []
        for name in self._keepers:
            try:
                answer = self._roster.ask(name, "evidence", inspection=inspection)
                for one in answer if answer is not None else ():  # type: ignore[attr-defined]  # checked, one by one
                    if (evidence := _expect(Evidence, one)) is not None:
                        named.append(evidence)
            except TurnEnded:
                raise
            except BaseException as error:
                if is_from_user(error):
                    raise
                self._failed(name, "evidence", error)
        return tuple(named)


def _expect(kind: type[T], answer: object) -> T | None:
    """Return a plugin's answer, or None; what else it is would fail far from who gave it."""
    if answer is not None and not isinstance(answer, kind):
        raise TypeError(f"it answered {type(answer).__name__}, not {kind.__name__}")
    return answer
