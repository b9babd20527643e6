"""Plugins that do not return: the line goes on, says which, and ends when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag

import pytest

from linecore.config import LineSettings
from linecore.decision import DecisionRules
from linecore.events import AlarmCleared, AlarmRaised, VerdictReached
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Decision, Frame, Inspection
from linecore.line import Line
from linecore.testing import PATIENCE_S, Always, Images, Listener, Recorder, grey, make_line
from linecore.watch import NO_WORKERS
from linecore.workers import REPLACED


@pytest.fixture
def let_go() -> Flag:
    """Ends every call that hangs, so that no test leaves a thread behind."""
    return Flag()


class Hangs(Always):
    """A classifier that keeps every frame until it is let go, in one call that nobody can end."""

    def __init__(self, let_go: Flag) -> None:
        super().__init__()
        self._let_go = let_go

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        self._let_go.wait(PATIENCE_S)
        return self._classification


def alarms(listener: Listener, kind: type[AlarmRaised] | type[AlarmCleared]) -> set[str]:
    return {event.alarm.name for event in listener.of(kind) if isinstance(event, (AlarmRaised, AlarmCleared))}


def test_where_every_worker_hangs_frames_still_get_their_no_result(let_go: Flag) -> None:
    sink = Recorder()
    settings = LineSettings(name="test", workers=1, worker_timeout_s=0.05, drain_timeout_s=5)
    count = 3 * REPLACED
    line = make_line({"images": Images([grey()] * count), "judge": Hangs(let_go), "sink": sink}, settings=settings)
    listener = Listener(line)
    line.start()
    try:
        sink.wait_for(lambda it: len(it.inspections) == count)
        assert {one.verdict.decision for one in sink.inspections} == {Decision.NO_RESULT}
        assert "no worker is left to judge it" in {one.verdict.reason for one in sink.inspections}
        assert {NO_WORKERS, "plugin judge is stuck"} <= alarms(listener, AlarmRaised)
        assert len(listener.of(VerdictReached)) == count
    finally:
        let_go.set()
        balance = line.stop()
    assert balance.recorded == count


class Loops(Always):
    """A classifier that never finds an answer, in Python, and says when it was broken off."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = Flag()

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        try:
            while True:
                threading.Event().wait(0.001)
        finally:
            self.ended.set()


def test_a_classifier_that_loops_is_broken_off_and_its_worker_freed() -> None:
    sink, judge = Recorder(), Loops()
    settings = LineSettings(name="test", workers=1, worker_timeout_s=0.05, drain_timeout_s=5)
    line = make_line({"images": Images([grey()] * 3), "judge": judge, "sink": sink}, settings=settings)
    line.start()
    try:
        sink.wait_for(lambda it: len(it.inspections) == 3)
        assert judge.ended.wait(PATIENCE_S)
        until = time.monotonic() + PATIENCE_S
        while line.crew.left_behind and time.monotonic() < until:
            threading.Event().wait(0.01)
        assert line.crew.left_behind == 0
    finally:
        line.stop()


def test_a_reload_gives_a_line_its_workers_back(let_go: Flag) -> None:
    settings = LineSettings(name="test", workers=1, worker_timeout_s=0.05, drain_timeout_s=5)
    images = Images([grey()] * (2 * REPLACED))
    line = make_line({"images": images, "judge": Hangs(let_go), "sink": Recorder()}, settings=settings)
    listener = Listener(line)
    line.start()
    try:
        while NO_WORKERS not in alarms(listener, AlarmRaised):
            assert listener.wait_for(AlarmRaised)
            threading.Event().wait(0.01)
        line.crew.forgive()
        while NO_WORKERS not in alarms(listener, AlarmCleared):
            assert not line.crew.all_hang or threading.Event().wait(0.01) is False
    finally:
        let_go.set()
        line.stop()


class Listens:
    """A plugin whose handler of verdicts does not return."""

    def __init__(self, let_go: Flag) -> None:
        self._let_go = let_go

    @hookimpl
    def start(self, line: Line) -> None:
        line.bus.subscribe(VerdictReached, self.keep)

    def keep(self, event: VerdictReached) -> None:
        self._let_go.wait(PATIENCE_S)


def test_a_handler_that_hangs_is_named_and_does_not_keep_the_line_from_stopping(let_go: Flag) -> None:
    settings = LineSettings(name="test", workers=1, worker_timeout_s=0.05, sink_timeout_s=0.1, drain_timeout_s=1)
    plugins = {"images": Images([grey()] * 3), "listens": Listens(let_go), "judge": Hangs(let_go), "sink": Recorder()}
    line = make_line(plugins, settings=settings, rules=DecisionRules(deadline_ms=20))
    listener = Listener(line)
    line.start()
    stuck = "the handler Listens.keep of VerdictReached is stuck"
    try:
        while stuck not in alarms(listener, AlarmRaised):
            assert listener.wait_for(AlarmRaised)
            threading.Event().wait(0.01)
        stopping = threading.Thread(target=line.stop)
        stopping.start()
        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()
    finally:
        let_go.set()


def test_no_sink_can_change_what_another_gets() -> None:
    class Clears(Recorder):
        @hookimpl
        def record(self, inspections: Sequence[Inspection]) -> None:
            for one in inspections:
                one.verdict.scores.clear()  # type: ignore[attr-defined]  # which a mapping that is read-only has not

    sink = Recorder()
    settings = LineSettings(name="test", drain_timeout_s=1)
    line = make_line(
        {"images": Images([grey()]), "judge": Always(), "clears": Clears(), "sink": sink}, settings=settings
    )
    line.start()
    sink.wait_for(lambda it: len(it.inspections) == 1)
    line.stop()
    assert sink.inspections[0].verdict.scores == {"scratches": 0.99, "other": 1 - 0.99}


def test_a_link_to_itself_stops_no_other_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from linecore_plugins.folder.files import FolderFiles

    (tmp_path / "good.png").write_bytes(b"x")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert [file.relative for file in FolderFiles(tmp_path, ["*.png"], recursive=False).scan()] == ["good.png"]
    assert "loop.png is a link and is left alone" in caplog.text
