"""The spine: one frame in, one inspection out. No I/O, no queue, no thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pluggy

from linecore.clock import Clock
from linecore.config import LineSettings
from linecore.decision import DecisionRules, decide, no_result
from linecore.decoding import decode
from linecore.errors import ImageError
from linecore.events import Event, PluginFailed
from linecore.inspection import Classification, Evidence, Explanation, Frame, Inspection, Timings, Verdict

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Inspector:
    """Decodes, classifies, decides and explains by asking the plugins; *publish* is told of a plugin that failed."""

    def __init__(
        self,
        hooks: pluggy.HookRelay,
        rules: DecisionRules,
        settings: LineSettings,
        *,
        config_hash: str,
        clock: Clock,
        publish: Callable[[Event], None],
    ) -> None:
        self._hooks = hooks
        self._rules = rules
        self._settings = settings
        self._config_hash = config_hash
        self._clock = clock
        self._publish = publish

    def judge(self, frame: Frame, captured: float) -> tuple[Inspection, Classification | None]:
        """Return the verdict on *frame*, captured at *captured* seconds of the monotonic clock, and what it rests on.

        Never raises: what cannot be decoded or judged is a NO_RESULT with its reason.
        """
        taken = decoded = self._clock.monotonic()
        classification = None
        try:
            if frame.encoded is not None and not frame.image.size:
                frame = frame.decoded(decode(frame.encoded))
            decoded = self._clock.monotonic()
            if not frame.image.size:
                raise ImageError("the frame has no pixels")
            classification = _expect(Classification, self._hooks.classify(frame=frame))
            verdict = self._decide(classification, captured)
        except ImageError as error:
            verdict = no_result(f"bad image: {error}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an answer of the wrong kind, and a plugin that wants to exit, among them
            logger.exception("classifying %s failed", frame.id)
            classification = None
            verdict = no_result(f"the classifier failed: {type(error).__name__}: {error}")
        done = self._clock.monotonic()
        timings = Timings(*(1000 * step for step in (taken - captured, decoded - taken, done - decoded)))
        return Inspection(frame, verdict, timings, self._clock.now(), config_hash=self._config_hash), classification

    def explain(self, inspection: Inspection, classification: Classification | None) -> Inspection:
        """Return *inspection* with its heat map, where its decision asks for one, and with what will be kept of it."""
        if classification is not None and inspection.verdict.decision in self._settings.explain:
            began = self._clock.monotonic()
            explanation = self._ask_for_explanation(inspection.frame, classification)
            took = 1000 * (self._clock.monotonic() - began)
            inspection = replace(inspection, explanation=explanation, timings=replace(inspection.timings, explain=took))
        return replace(inspection, evidence=self._ask_for_evidence(inspection), completed_at=self._clock.now())

    def _decide(self, classification: Classification | None, captured: float) -> Verdict:
        if classification is None:
            return no_result("no classifier answered")
        return decide(classification, self._rules, 1000 * (self._clock.monotonic() - captured))

    def _ask_for_explanation(self, frame: Frame, classification: Classification) -> Explanation | None:
        try:
            return _expect(Explanation, self._hooks.explain(frame=frame, classification=classification))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._tell(self._hooks.explain, error)
            return None

    def _ask_for_evidence(self, inspection: Inspection) -> tuple[Evidence, ...]:
        try:
            named = [one for answer in self._hooks.evidence(inspection=inspection) for one in answer]
            return tuple(one for one in named if _expect(Evidence, one))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._tell(self._hooks.evidence, error)
            return ()

    def _tell(self, caller: pluggy.HookCaller, error: BaseException) -> None:
        names = "/".join(implementation.plugin_name for implementation in caller.get_hookimpls())
        logger.exception("the hook %s failed", caller.name)
        self._publish(PluginFailed(names, caller.name, f"{type(error).__name__}: {error}"))


def _expect(kind: type[T], answer: object) -> T | None:
    """Return a plugin's answer, or None; what else it is would fail far from who gave it."""
    if answer is not None and not isinstance(answer, kind):
        raise TypeError(f"it answered {type(answer).__name__}, not {kind.__name__}")
    return answer
