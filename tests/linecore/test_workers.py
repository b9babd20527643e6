"""A plugin that does not return costs its frame a verdict, and the line nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag

import pytest

from linecore.clock import SystemClock
from linecore.config import LineSettings
from linecore.decision import DecisionRules
from linecore.events import PluginStuck, VerdictReached
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Decision, Frame
from linecore.intake import Arrival, Intake
from linecore.testing import PATIENCE_S, Always, Images, Listener, Recorder, grey, make_line
from linecore.workers import Unwatched, Workers


class HangsOnce(Always):
    """A classifier that does not return from its first frame until it is let go, and then answers all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go, self.returned = Flag(), Flag(), Flag()

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        if frame.sequence == 0:
            self.entered.set()
            try:
                assert self.go.wait(PATIENCE_S)  # one call of C: what ends it comes when it returns
            finally:
                self.returned.set()
        return self._classification


def test_a_classifier_that_hangs_costs_one_frame_its_verdict_and_its_late_answer_is_nobodys(tmp_path: Path) -> None:
    judge, sink, source = HangsOnce(), Recorder(), Images([grey()] * 5)
    settings = LineSettings(name="test", workers=1, worker_timeout_s=0.3)
    line = make_line({"images": source, "judge": judge, "sink": sink}, settings=settings, folder=tmp_path)
    listener = Listener(line)
    line.start()
    sink.wait_for(lambda it: len(it.inspections) == 5)
    (stuck,) = listener.of(PluginStuck)
    assert isinstance(stuck, PluginStuck)
    assert (stuck.plugin, stuck.hook) == ("judge", "classify")
    judge.go.set()
    assert judge.returned.wait(PATIENCE_S)
    balance = line.stop()
    assert (balance.captured, balance.recorded) == (5, 5)
    by_number = {one.frame.sequence: one.verdict for one in sink.inspections}
    assert by_number[0].decision is Decision.NO_RESULT
    assert str(by_number[0].reason).startswith("nobody has judged it for 0.")
    assert {by_number[number].decision for number in range(1, 5)} == {Decision.FAIL}
    said = [event.inspection.frame.id for event in listener.of(VerdictReached) if isinstance(event, VerdictReached)]
    assert sorted(said) == sorted(set(said))
    assert len(sink.inspections) == len(source.settled) == 5


def test_the_gate_hears_at_the_deadline_and_the_late_answer_is_kept_beside_the_verdict() -> None:
    judge, sink = HangsOnce(), Recorder()
    line = make_line({"images": Images([grey()]), "judge": judge, "sink": sink}, rules=DecisionRules(deadline_ms=100))
    listener = Listener(line)
    line.start()
    assert judge.entered.wait(PATIENCE_S)
    (reached,) = listener.wait_for(VerdictReached)  # while the classifier is still at it
    assert not judge.returned.is_set()
    judge.go.set()
    sink.wait_for(lambda it: len(it.inspections) == 1)
    line.stop()
    assert isinstance(reached, VerdictReached)
    assert reached.inspection.verdict.decision is Decision.NO_RESULT
    assert str(reached.inspection.verdict.reason).startswith("no verdict within 100 ms: it has waited 1")
    (recorded,) = sink.inspections
    assert recorded.verdict.decision is Decision.NO_RESULT
    assert recorded.late is not None
    assert recorded.late.label == "scratches"
    assert len(listener.of(VerdictReached)) == 1


def test_a_frame_that_has_waited_beyond_its_deadline_is_not_judged_any_more() -> None:
    judge, sink = HangsOnce(), Recorder()
    settings = LineSettings(name="test", workers=1)
    line = make_line(
        {"images": Images([grey()] * 2), "judge": judge, "sink": sink},
        settings=settings,
        rules=DecisionRules(deadline_ms=50),
    )
    listener = Listener(line)
    line.start()
    listener.wait_for(VerdictReached, 2)
    judge.go.set()
    sink.wait_for(lambda it: len(it.inspections) == 2)
    line.stop()
    assert sink.inspections[1].late is None
    assert len(listener.of(VerdictReached)) == 2


def arrival(number: int) -> Arrival:
    return Arrival(Frame(str(number), "test", "camera", number, datetime.now(UTC)), 0.0, "camera")


@pytest.mark.parametrize("count", [1, 3])
def test_workers_come_and_go_when_their_number_changes(count: int) -> None:
    intake, going, done = Intake(20), Flag(), list[int]()

    def inspect(one: Arrival, _unwatched: Unwatched) -> None:
        assert going.wait(PATIENCE_S)
        done.append(one.frame.sequence)

    workers = Workers(2, intake, inspect=inspect, stuck=lambda *_: None, timeout_s=PATIENCE_S, clock=SystemClock())
    workers.start()
    workers.resize(count)
    for number in range(10):
        intake.offer(arrival(number), "wait")
    going.set()
    intake.close()
    workers.join(SystemClock().monotonic() + PATIENCE_S)
    assert sorted(done) == list(range(10))


def test_what_waits_for_the_journal_is_not_taken_for_a_plugin_that_hangs() -> None:
    intake, entered, go, kept = Intake(5), Flag(), Flag(), list[int]()
    stuck: list[int] = []

    def inspect(one: Arrival, unwatched: Unwatched) -> None:
        with unwatched():
            entered.set()
            assert go.wait(PATIENCE_S)
            kept.append(one.frame.sequence)

    workers = Workers(
        1,
        intake,
        inspect=inspect,
        stuck=lambda one, _seconds: stuck.append(one.frame.sequence),
        timeout_s=0.001,
        clock=SystemClock(),
    )
    workers.start()
    intake.offer(arrival(0), "wait")
    assert entered.wait(PATIENCE_S)
    Flag().wait(0.01)
    workers.check()
    assert (stuck, workers.left_behind) == ([], 0)
    go.set()
    intake.close()
    workers.join(SystemClock().monotonic() + PATIENCE_S)
    assert kept == [0]


def test_many_that_hang_are_replaced_up_to_a_limit_and_again_when_they_return() -> None:
    intake, go, entered = Intake(100), Flag(), list[int]()
    stuck: list[int] = []

    def inspect(one: Arrival, _unwatched: Unwatched) -> None:
        entered.append(one.frame.sequence)
        if one.frame.sequence < 8:
            assert go.wait(PATIENCE_S)

    clock = SystemClock()
    workers = Workers(
        1, intake, inspect=inspect, stuck=lambda one, _: stuck.append(one.frame.sequence), timeout_s=0.001, clock=clock
    )
    workers.start()
    for number in range(10):
        intake.offer(arrival(number), "wait")
    until = clock.monotonic() + 1
    while workers.left_behind < 5 and clock.monotonic() < until:
        Flag().wait(0.002)
        workers.check()
    assert workers.left_behind == 5  # and no thread more
    assert entered == list(range(5))
    go.set()
    until = clock.monotonic() + PATIENCE_S
    while len(entered) < 10 and clock.monotonic() < until:
        Flag().wait(0.002)
        workers.check()
    assert entered == list(range(10))
    intake.close()
    workers.join(clock.monotonic() + PATIENCE_S)
