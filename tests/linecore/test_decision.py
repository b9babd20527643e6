import math

import pytest

from linecore.decision import DecisionRules, decide, no_result, too_late
from linecore.inspection import Classification, Decision, ModelId

MODEL = ModelId("m", "1", "0" * 64)


def says(label: str, confidence: float, novelty: float | None = None) -> Classification:
    return Classification(label, confidence, {label: confidence}, MODEL, novelty)


def test_a_pass_label_passes_and_any_other_fails() -> None:
    assert decide(says("ok", 0.9), DecisionRules()).decision is Decision.PASS
    assert decide(says("scratches", 0.9), DecisionRules()).decision is Decision.FAIL


def test_low_confidence_is_uncertain_even_for_a_pass_label() -> None:
    verdict = decide(says("ok", 0.79), DecisionRules(min_confidence=0.8))
    assert verdict.decision is Decision.UNCERTAIN
    assert verdict.reason == "confidence 0.79 is below 0.8"
    assert decide(says("ok", 0.8), DecisionRules(min_confidence=0.8)).decision is Decision.PASS


def test_novelty_is_uncertain_where_a_limit_is_set_and_the_model_measures_it() -> None:
    rules = DecisionRules(max_novelty=0.99)
    assert decide(says("ok", 0.9, 0.995), rules).decision is Decision.UNCERTAIN
    assert decide(says("ok", 0.9, math.nan), rules).decision is Decision.UNCERTAIN
    assert decide(says("ok", 0.9, 0.99), rules).decision is Decision.PASS
    assert decide(says("ok", 0.9, None), rules).decision is Decision.PASS
    assert decide(says("ok", 0.9, 0.995), DecisionRules()).decision is Decision.PASS


def test_what_comes_after_the_deadline_is_no_result() -> None:
    late = too_late(decide(says("ok", 0.9), DecisionRules()), 200, 231.4)
    assert late.decision is Decision.NO_RESULT
    assert late.reason == "late: 'ok' (0.90) came after 231 ms, the deadline is 200 ms"
    assert late.label is None


def test_what_could_not_be_judged_says_why_even_where_it_also_came_late() -> None:
    assert too_late(no_result("bad image: empty"), 200, 231.4).reason == (
        "late: bad image: empty came after 231 ms, the deadline is 200 ms"
    )


@pytest.mark.parametrize("confidence", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_no_result(confidence: float) -> None:
    assert decide(says("ok", confidence), DecisionRules()).decision is Decision.NO_RESULT
