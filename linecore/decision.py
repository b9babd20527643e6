"""Classification + rules -> Verdict: a pure function."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from linecore.inspection import Classification, Decision, Verdict

Probability = Annotated[float, Field(ge=0, le=1)]


class DecisionRules(BaseModel):
    """The table ``[decision]``: when the line says what."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pass_labels: tuple[str, ...] = Field(("ok",), description="labels of good product; every other label is a FAIL")
    min_confidence: Probability = Field(0.80, description="less confident than this is UNCERTAIN")
    max_novelty: Probability | None = Field(
        None,
        description="quantile of the frames it knows; more novel than this is UNCERTAIN; unset: not looked at",
    )
    deadline_ms: float | None = Field(
        None,
        gt=0,
        description="milliseconds from capture; without a verdict by then: NO_RESULT; unset: no limit",
    )


def no_result(reason: str) -> Verdict:
    """Return the verdict for a frame that could not be judged."""
    return Verdict(Decision.NO_RESULT, reason=reason)


def too_late(answer: Verdict, deadline_ms: float, elapsed_ms: float) -> Verdict:
    """Return the verdict in place of one that came after the deadline: a late PASS is no PASS."""
    said = f"{answer.label!r} ({answer.confidence:.2f})" if answer.confidence is not None else str(answer.reason)
    return no_result(f"late: {said} came after {elapsed_ms:.0f} ms, the deadline is {deadline_ms:g} ms")


def decide(classification: Classification, rules: DecisionRules) -> Verdict:
    """Decide what the line does with a part, whose answer came in time.

    No answer is not PASS: what is no probability is a NO_RESULT. Doubt is looked at before the label, so that a
    doubtful "ok" never passes.
    """
    label, confidence, novelty = classification.label, classification.confidence, classification.novelty
    if not 0 <= confidence <= 1:  # which also refuses NaN
        return no_result(f"the classifier answered the confidence {confidence} for {label!r}")

    decision, reason = (Decision.PASS if label in rules.pass_labels else Decision.FAIL), None
    if confidence < rules.min_confidence:
        decision, reason = Decision.UNCERTAIN, f"confidence {confidence:.2f} is below {rules.min_confidence:g}"
    elif rules.max_novelty is not None and novelty is not None and not novelty <= rules.max_novelty:
        decision, reason = Decision.UNCERTAIN, f"novelty {novelty:.3f} is above {rules.max_novelty:g}"
    scores = MappingProxyType(dict(classification.scores))  # every sink gets the same verdict: none may change it
    return Verdict(decision, label, confidence, novelty, reason, classification.model, scores)
