"""The line as a whole, with real threads and small real plugins."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Flag

import cv2
import pytest

from linecore.config import LineSettings
from linecore.decision import DecisionRules
from linecore.errors import ConfigError
from linecore.events import (
    DeliveriesDropped,
    FrameDropped,
    InspectionCompleted,
    LineStarted,
    LineStopped,
    PluginFailed,
    SinkFailed,
    SinkRecovered,
    SinkStalled,
    VerdictReached,
)
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Decision, Explanation, Frame, Inspection
from linecore.line import Line
from linecore.testing import PATIENCE_S, Always, Images, Listener, Recorder, grey, make_line, run


def decisions(recorder: Recorder) -> list[Decision]:
    return [one.verdict.decision for one in recorder.inspections]


def test_every_frame_is_judged_recorded_and_settled_once() -> None:
    source, sink = Images([grey()] * 50), Recorder()
    line = make_line({"images": source, "judge": Always(), "sink": sink})
    balance = run(line)
    assert (balance.captured, balance.recorded, balance.in_flight) == (50, 50, 0)
    assert sorted(one.frame.id for one in sink.inspections) == sorted(f"test/images/{n}" for n in range(50))
    assert set(source.settled) == {f"test/images/{n}" for n in range(50)}
    assert all(outcome.recorded for outcome in source.settled.values())


def test_events_tell_the_story_in_order() -> None:
    line = make_line({"images": Images([grey()]), "judge": Always(), "sink": Recorder()})
    listener = Listener(line)
    run(line)
    story = [type(event) for event in listener.of(LineStarted, VerdictReached, InspectionCompleted, LineStopped)]
    assert story == [LineStarted, VerdictReached, InspectionCompleted, LineStopped]


def test_a_broken_image_is_a_no_result_and_the_line_goes_on() -> None:
    good = cv2.imencode(".png", grey())[1].tobytes()
    source, sink = Images([b"", b"no image", good[:60], good]), Recorder()
    run(make_line({"images": source, "judge": Always(), "sink": sink}, settings=LineSettings(name="test", workers=1)))
    assert decisions(sink) == [Decision.NO_RESULT] * 3 + [Decision.FAIL]
    assert [one.verdict.reason for one in sink.inspections[:3]] == [
        "bad image: the file is empty",
        "bad image: it is not a JPEG, PNG, BMP or TIFF file",
        "bad image: the PNG ends before its IEND chunk: it was cut off",
    ]


def test_a_classifier_that_raises_is_a_no_result() -> None:
    class Fails:
        @hookimpl
        def classify(self, frame: Frame) -> Classification:
            raise RuntimeError("no memory")

    sink = Recorder()
    run(make_line({"images": Images([grey()]), "judge": Fails(), "sink": sink}))
    assert sink.inspections[0].verdict.reason == "the classifier failed: RuntimeError: no memory"


def test_the_first_classifier_that_answers_counts() -> None:
    class Passes:
        @hookimpl
        def classify(self, frame: Frame) -> None:
            return None

    sink = Recorder()
    plugins = {"images": Images([grey()]), "a": Passes(), "b": Always("ok"), "c": Always("scratches"), "sink": sink}
    run(make_line(plugins))
    assert decisions(sink) == [Decision.PASS]


def test_a_late_verdict_is_no_result() -> None:
    class Slow(Always):
        @hookimpl
        def classify(self, frame: Frame) -> Classification:
            Flag().wait(0.05)
            return self._classification

    sink = Recorder()
    run(make_line({"images": Images([grey()]), "judge": Slow(), "sink": sink}, rules=DecisionRules(deadline_ms=10)))
    assert decisions(sink) == [Decision.NO_RESULT]
    assert str(sink.inspections[0].verdict.reason).startswith("late: 'scratches' (0.99) came after ")


class Explains:
    def __init__(self) -> None:
        self.asked: list[str] = []

    @hookimpl
    def explain(self, frame: Frame, classification: Classification) -> Explanation:
        self.asked.append(frame.id)
        return Explanation(classification.class_maps[classification.label], "test", classification.label)


def test_only_rejects_are_explained_unless_all_are_asked_for() -> None:
    explainer, sink = Explains(), Recorder()
    run(make_line({"images": Images([grey()]), "judge": Always("ok"), "explain": explainer, "sink": sink}))
    assert explainer.asked == []
    assert sink.inspections[0].explanation is None
    every = LineSettings(name="test", explain=tuple(Decision))
    plugins = {"images": Images([grey()]), "judge": Always("ok"), "explain": explainer, "sink": sink}
    run(make_line(plugins, settings=every))
    assert explainer.asked == ["test/images/0"]


def test_an_explainer_that_raises_costs_the_explanation_alone() -> None:
    class Fails:
        @hookimpl
        def explain(self, frame: Frame) -> Explanation:
            raise RuntimeError("no map")

    sink = Recorder()
    line = make_line({"images": Images([grey()]), "judge": Always(), "gradcam": Fails(), "sink": sink})
    listener = Listener(line)
    run(line)
    assert decisions(sink) == [Decision.FAIL]
    assert listener.of(PluginFailed) == [PluginFailed("gradcam", "explain", "RuntimeError: no map")]


class Holding:
    """A sink that keeps every batch until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.entered = Flag(), Flag()

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        self.entered.set()
        while not self.let_go.wait(0.01):  # its turn may end
            pass


def test_a_sink_that_hangs_delays_no_verdict_and_no_other_sink() -> None:
    hanging, sink = Holding(), Recorder()
    settings = LineSettings(name="test", sink_timeout_s=0.01)
    plugins = {"images": Images([grey()] * 300), "judge": Always(), "hanging": hanging, "sink": sink}
    line = make_line(plugins, settings=settings)
    listener = Listener(line)
    line.start()
    sink.wait_for(lambda it: len(it.inspections) == 300)
    stalled = listener.wait_for(SinkStalled)[0]
    assert isinstance(stalled, SinkStalled)
    assert stalled.sink == "hanging"
    hanging.let_go.set()
    line.stop()
    assert listener.of(SinkRecovered)
    assert not listener.of(DeliveriesDropped)


class FailsAtFirst(Recorder):
    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        super().record(inspections)


def test_what_a_sink_failed_to_store_comes_again_in_order() -> None:
    source, sink, other = Images([grey()] * 20), FailsAtFirst(2), Recorder()
    settings = LineSettings(name="test", workers=1)
    line = make_line({"images": source, "judge": Always(), "sink": sink, "other": other}, settings=settings)
    listener = Listener(line)
    balance = run(line)
    assert [one.frame.sequence for one in sink.inspections] == list(range(20))
    assert len(other.inspections) == 20
    assert len(listener.of(SinkFailed)) == 2
    assert balance.recorded == 20


def test_a_frame_is_settled_when_the_journal_holds_it_though_no_sink_does() -> None:
    source, sink = Images([grey()] * 3), Holding()
    line = make_line({"images": source, "judge": Always(), "sink": sink})
    line.start()
    assert sink.entered.wait(PATIENCE_S)
    source.wait_for(lambda it: len(it.settled) == 3)
    assert line.balance.recorded == 3
    sink.let_go.set()
    line.stop()


def test_what_a_sink_did_not_take_waits_for_the_next_start(tmp_path: Path) -> None:
    settings = LineSettings(name="test", drain_timeout_s=5)
    line = make_line(
        {"images": Images([grey()] * 3), "judge": Always(), "sink": FailsAtFirst(10**9)},
        settings=settings,
        folder=tmp_path,
    )
    assert run(line).recorded == 3
    assert line.undelivered == {}
    assert line.left_for_later["sink"] >= 3

    sink, source = Recorder(), Images([grey()] * 3)
    line = make_line({"images": source, "judge": Always(), "sink": sink}, settings=settings, folder=tmp_path)
    assert run(line).captured == 0  # they are known to be safe, and settled at once
    assert [one.frame.id for one in sink.inspections] == [f"test/images/{number}" for number in range(3)]
    assert all(outcome.recorded for outcome in source.settled.values())
    assert len(source.settled) == 3
    assert line.left_for_later == {}


class Flood:
    """A live source that yields faster than anything can judge."""

    policy = "newest"

    def __init__(self, count: int) -> None:
        self._count = count

    @hookimpl
    def start(self, line: Line) -> None:
        self._line = line

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        for number in range(self._count):
            yield self._line.frame(self, str(number), image=grey())


def test_a_live_source_keeps_the_newest_frame_and_counts_the_others() -> None:
    class WaitsForTheFlood(Always):
        @hookimpl
        def classify(self, frame: Frame) -> Classification:
            assert line.exhausted.wait(PATIENCE_S)
            return self._classification

    sink = Recorder()
    settings = LineSettings(name="test", workers=1, intake=1)
    line = make_line({"camera": Flood(100), "judge": WaitsForTheFlood(), "sink": sink}, settings=settings)
    listener = Listener(line)
    balance = run(line)
    assert sink.inspections[-1].frame.sequence == 99
    assert balance.balanced
    assert balance.dropped == {"overtaken by a newer frame": 100 - balance.recorded}
    assert len(listener.of(FrameDropped)) == 100 - balance.recorded


def test_the_same_frame_offered_while_it_is_in_flight_is_inspected_once() -> None:
    class Waits(Always):
        go = Flag()

        @hookimpl
        def classify(self, frame: Frame) -> Classification:
            assert self.go.wait(PATIENCE_S)
            return self._classification

    judge = Waits()
    line = make_line({"images": Images([grey()] * 3, keys=["a", "a", "b"]), "judge": judge, "sink": Recorder()})
    line.start()
    assert line.exhausted.wait(PATIENCE_S)
    judge.go.set()
    balance = line.stop()
    assert (balance.captured, balance.recorded) == (2, 2)


def test_a_source_that_raises_ends_alone() -> None:
    class Breaks(Images):
        @hookimpl
        def frames(self, stopping: Flag) -> Iterator[Frame]:
            yield self._line.frame(self, "0", image=grey())
            raise OSError("unplugged")

    sink = Recorder()
    line = make_line({"bad": Breaks([]), "good": Images([grey()] * 5), "judge": Always(), "sink": sink})
    listener = Listener(line)
    balance = run(line)
    assert balance.recorded == 6
    assert listener.of(PluginFailed) == [PluginFailed("bad", "frames", "OSError: unplugged")]


def test_stopping_in_the_middle_finishes_what_was_taken() -> None:
    source, sink = Images([grey()] * 100_000), Recorder()
    line = make_line({"images": source, "judge": Always(), "sink": sink})
    line.start()
    sink.wait_for(lambda it: len(it.inspections) > 10)
    balance = line.stop()
    assert balance.in_flight == 0
    assert balance.captured == balance.recorded == len(sink.inspections) == len(source.settled) < 100_000


def test_a_plugin_that_fails_to_start_stops_those_before_it() -> None:
    class Stops(Recorder):
        stopped = False

        @hookimpl
        def stop(self) -> None:
            self.stopped = True

    class Refuses:
        @hookimpl
        def start(self) -> None:
            raise ConfigError("plugins.refuses.path is wrong")

        @hookimpl
        def record(self) -> None: ...

    sink = Stops()
    line = make_line({"images": Images([]), "judge": Always(), "sink": sink, "refuses": Refuses()})
    with pytest.raises(ConfigError, match=r"plugins\.refuses\.path"):
        line.start()
    assert sink.stopped


@pytest.mark.parametrize(("missing", "what"), [("images", "source"), ("judge", "classifier")])
def test_a_line_needs_a_source_and_a_classifier(missing: str, what: str) -> None:
    plugins = {"images": Images([]), "judge": Always(), "sink": Recorder()}
    del plugins[missing]
    with pytest.raises(ConfigError, match=rf"\[plugins\] has no {what}"):
        make_line(plugins).start()


def test_frame_ids_are_stable_and_never_too_long(tmp_path: Path) -> None:
    source = Images([])
    line = make_line({"images": source, "judge": Always(), "sink": Recorder()}, folder=tmp_path)
    assert line.frame(source, "a.jpg").id == line.frame(source, "a.jpg").id == "test/images/a.jpg"
    long = [line.frame(source, "x" * 300 + end).id for end in "ab"]
    assert len(set(long)) == 2
    assert all(len(one) < 255 for one in long)
    assert line.state_folder.is_dir()


def test_the_image_of_a_frame_is_read_only() -> None:
    source = Images([])
    frame = make_line({"images": source, "judge": Always()}).frame(source, "a", image=grey())
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0] = 1
