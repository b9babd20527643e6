"""Whatever a plugin does, the line goes on, and no frame is lost for it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from threading import Event as Flag

import numpy as np
import pytest

import linecore.roster
from linecore.alarms import Alarm, AlarmRule, AlarmState
from linecore.config import LineSettings
from linecore.decision import DecisionRules
from linecore.errors import ConfigError
from linecore.events import PluginFailed, SinkFailed
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Decision, Evidence, Explanation, Frame, Inspection
from linecore.ledger import Outcome
from linecore.line import Line
from linecore.testing import PATIENCE_S, Always, Images, Listener, Recorder, grey, make_line, run

ONE_WORKER = LineSettings(name="test", workers=1)


class Answers:
    """A classifier that answers whatever it is told to, or raises it."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # wrong on purpose


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("ok", "the classifier failed: TypeError: it answered str, not Classification"),
        (SystemExit(3), "the classifier failed: SystemExit: 3"),
        (asyncio.CancelledError(), "the classifier failed: CancelledError: "),
    ],
)
def test_a_classifier_that_answers_nonsense_or_wants_to_exit_is_a_no_result(answer: object, reason: str) -> None:
    sink = Recorder()
    balance = run(make_line({"images": Images([grey()] * 3), "judge": Answers(answer), "sink": sink}))
    assert [one.verdict.reason for one in sink.inspections] == [reason] * 3
    assert balance.recorded == 3


def test_a_confidence_that_is_no_number_is_a_no_result() -> None:
    judge = Always()
    wrong = Classification("ok", None, {}, judge._classification.model)  # type: ignore[arg-type]  # on purpose
    sink = Recorder()
    run(make_line({"images": Images([grey()]), "judge": Answers(wrong), "sink": sink}))
    assert sink.inspections[0].verdict.decision is Decision.NO_RESULT


def test_an_explainer_that_answers_nonsense_costs_the_explanation_alone() -> None:
    class Explains:
        @hookimpl
        def explain(self) -> Explanation:
            return "there"  # type: ignore[return-value]  # on purpose

    sink = Recorder()
    line = make_line({"images": Images([grey()]), "judge": Always(), "gradcam": Explains(), "sink": sink})
    listener = Listener(line)
    assert run(line).recorded == 1
    assert listener.of(PluginFailed) == [
        PluginFailed("gradcam", "explain", "TypeError: it answered str, not Explanation")
    ]


def test_a_sink_that_cannot_name_its_evidence_costs_the_names_alone() -> None:
    class Names(Recorder):
        @hookimpl
        def evidence(self) -> Sequence[Evidence]:
            raise OSError("no disk")

    sink = Names()
    run(make_line({"images": Images([grey()]), "judge": Always(), "sink": sink}))
    assert sink.inspections[0].evidence == ()


def test_a_cancelled_sink_gets_its_batch_again() -> None:
    class Cancelled(Recorder):
        cancelled = False

        @hookimpl
        def record(self, inspections: Sequence[Inspection]) -> None:
            if not self.cancelled:
                self.cancelled = True
                raise asyncio.CancelledError
            super().record(inspections)

    sink = Cancelled()
    line = make_line({"images": Images([grey()] * 3), "judge": Always(), "sink": sink})
    listener = Listener(line)
    assert run(line).recorded == 3
    assert len(listener.of(SinkFailed)) == 1


def test_an_alarm_that_could_not_be_told_is_told_again() -> None:
    class Deaf(Recorder):
        failures = 2

        @hookimpl
        def notify(self, alarm: Alarm) -> None:
            if self.failures:
                self.failures -= 1
                raise OSError("away")
            super().notify(alarm)

    sink = Deaf()
    line = make_line(
        {"images": Images([grey()] * 2), "judge": Always(), "sink": sink},
        alarms=[AlarmRule(name="any", count=1, of=1)],
    )
    line.start()
    sink.wait_for(lambda it: bool(it.alarms))
    line.stop()
    assert [alarm.state for alarm in sink.alarms] == [AlarmState.RAISED, AlarmState.CLEARED]


def test_a_source_that_cannot_settle_keeps_its_frames_counted() -> None:
    class Forgetful(Images):
        @hookimpl
        def settle(self, frame: Frame, outcome: Outcome) -> None:
            raise OSError("read-only file system")

    line = make_line({"images": Forgetful([grey()] * 3), "judge": Always(), "sink": Recorder()})
    listener = Listener(line)
    balance = run(line)
    assert balance.recorded == 3
    assert [event.hook for event in listener.of(PluginFailed) if isinstance(event, PluginFailed)] == ["settle"] * 3


def test_a_source_that_was_broken_off_is_told_apart_from_a_dry_one() -> None:
    class Breaks(Images):
        @hookimpl
        def frames(self, stopping: Flag) -> Iterator[Frame]:
            yield self._line.frame(self, "0", image=grey())
            raise OSError("unplugged")

    line = make_line({"bad": Breaks([]), "good": Images([grey()]), "judge": Always(), "sink": Recorder()})
    run(line)
    assert line.broken_sources == ("bad",)


def test_pixels_of_another_kind_are_refused_rather_than_wrapped_around() -> None:
    class Deep(Images):
        @hookimpl
        def frames(self, stopping: Flag) -> Iterator[Frame]:
            yield self._line.frame(self, "0", image=np.full((8, 8), 8000, np.uint16))

    line = make_line({"deep": Deep([]), "judge": Always(), "sink": Recorder()})
    listener = Listener(line)
    assert run(line).captured == 0
    (failed,) = listener.of(PluginFailed)
    assert isinstance(failed, PluginFailed)
    assert failed.error == "ImageError: image is uint16 of shape (8, 8); it must be uint8, HxW or HxWx3"


def test_the_frames_of_a_stopped_source_are_closed() -> None:
    closed = Flag()

    class Endless(Images):
        @hookimpl
        def frames(self, stopping: Flag) -> Iterator[Frame]:
            try:
                for number in range(10**9):
                    yield self._line.frame(self, str(number), image=grey())
            finally:
                closed.set()

    sink = Recorder()
    line = make_line({"images": Endless([]), "judge": Always(), "sink": sink})
    line.start()
    sink.wait_for(lambda it: len(it.inspections) > 3)
    line.stop()
    assert closed.wait(PATIENCE_S)


class Stops(Recorder):
    """A sink whose stop does what it is told to."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self.stopped = Flag()
        self._action = action

    @hookimpl
    def stop(self) -> None:
        self.stopped.set()
        self._action()


def test_a_plugin_that_hangs_or_raises_at_stop_keeps_nobody_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linecore.roster, "STOP_S", 0.05)
    let_go = Flag()

    def fail() -> None:
        raise OSError("socket is gone")

    sinks = {"first": Stops(Flag), "raises": Stops(fail), "hangs": Stops(lambda: let_go.wait(PATIENCE_S))}
    line = make_line({"images": Images([grey()]), "judge": Always(), **sinks})
    listener = Listener(line)
    run(line)
    let_go.set()
    assert all(sink.stopped.is_set() for sink in sinks.values())
    assert [(event.plugin, event.hook) for event in listener.of(PluginFailed) if isinstance(event, PluginFailed)] == [
        ("hangs", "stop"),
        ("raises", "stop"),
    ]


def test_the_time_that_a_frame_waits_counts_towards_its_deadline() -> None:
    class FirstIsSlow(Always):
        first = True

        @hookimpl
        def classify(self, frame: Frame) -> Classification:
            if self.first:
                self.first = False
                Flag().wait(0.2)
            return self._classification

    sink = Recorder()
    settings = LineSettings(name="test", workers=1, intake=4)
    plugins = {"images": Images([grey()] * 3), "judge": FirstIsSlow("ok"), "sink": sink}
    run(make_line(plugins, settings=settings, rules=DecisionRules(deadline_ms=150)))
    assert [one.verdict.decision for one in sink.inspections] == [Decision.NO_RESULT] * 3


def test_frames_end_a_silence() -> None:
    class LateComer(Images):
        go = Flag()

        @hookimpl
        def frames(self, stopping: Flag) -> Iterator[Frame]:
            assert self.go.wait(PATIENCE_S)
            yield self._line.frame(self, "0", image=grey())

    source, sink = LateComer([]), Recorder()
    line = make_line(
        {"images": source, "judge": Always(), "sink": sink}, alarms=[AlarmRule(name="silence", silence_s=0.3)]
    )
    line.start()
    sink.wait_for(lambda it: len(it.alarms) == 1)
    source.go.set()
    sink.wait_for(lambda it: [alarm.state for alarm in it.alarms][:2] == [AlarmState.RAISED, AlarmState.CLEARED])
    line.stop()
    assert sink.alarms[1].message == "no frame for 0.3 s"


def test_an_alarm_over_a_source_that_is_none_is_refused() -> None:
    rule = AlarmRule(name="silence", silence_s=1, sources=("imges",))
    line: Line = make_line({"images": Images([]), "judge": Always()}, alarms=[rule])
    with pytest.raises(ConfigError) as caught:
        line.start()
    assert str(caught.value) == (
        "line.toml: alarms: 'silence': sources has 'imges', which is none; did you mean 'images'?"
    )


def test_remarks_name_what_has_no_effect() -> None:
    class NoNovelty(Always):
        measures_novelty = False

    line = make_line({"images": Images([]), "judge": NoNovelty()}, rules=DecisionRules(max_novelty=0.99))
    assert [remark.split(",")[0].split(":")[0] for remark in line.remarks()] == [
        "no sink keeps the verdicts; add [plugins.database]",
        "decision.max_novelty is 0.99 and has no effect",
    ]
