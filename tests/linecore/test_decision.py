import math

import pytest

from linecore.decision import DecisionRules, decide
from linecore.inspection import Classification, Decision, ModelId

MODEL = ModelId("m", "1", "0" * 64)


def says(label: str, confidence: float, novelty: float | None = None) -> Classification:
    return Classification(label, confidence, {label: confidence}, MODEL, novelty)


def test_a_pass_label_passes_and_any_other_fails() -> None:
    assert decide(says("ok", 0.9), DecisionRules(), 1).decision is Decision.PASS
    assert decide(says("scratches", 0.9), DecisionRules(), 1).decision is Decision.FAIL


def test_low_confidence_is_uncertain_even_for_a_pass_label() -> None:
    verdict = decide(says("ok", 0.79), DecisionRules(min_confidence=0.8), 1)
    assert verdict.decision is Decision.UNCERTAIN
    assert verdict.reason == "confidence 0.79 is below 0.8"
    assert decide(says("ok", 0.8), DecisionRules(min_confidence=0.8), 1).decision is Decision.PASS


def test_novelty_is_uncertain_where_a_limit_is_set_and_the_model_measures_it() -> None:
    rules = DecisionRules(max_novelty=0.99)
    assert decide(says("ok", 0.9, 0.995), rules, 1).decision is Decision.UNCERTAIN
    assert decide(says("ok", 0.9, math.nan), rules, 1).decision is Decision.UNCERTAIN
    assert decide(says("ok", 0.9, 0.99), rules, 1).decision is Decision.PASS
    assert decide(says("ok", 0.9, None), rules, 1).decision is Decision.PASS
    assert decide(says("ok", 0.9, 0.995), DecisionRules(), 1).decision is Decision.PASS


def test_what_comes_after_the_deadline_is_no_result() -> None:
    rules = DecisionRules(deadline_ms=200)
    assert decide(says("ok", 0.9), rules, 200).decision is Decision.PASS
    late = decide(says("ok", 0.9), rules, 231.4)
    assert late.decision is Decision.NO_RESULT
    assert late.reason == "late: 'ok' (0.90) came after 231 ms, the deadline is 200 ms"
    assert late.label is None


@pytest.mark.parametrize("confidence", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_no_result(confidence: float) -> None:
    assert decide(says("ok", confidence), DecisionRules(), 1).decision is Decision.NO_RESULT
