"""One plugin that raises what nobody expects, in every hook: the line goes on, and nothing is lost for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Flag

import cv2
import pytest

from linecore.alarms import Alarm, AlarmRule
from linecore.config import LineSettings
from linecore.events import AlarmRaised, Event
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Evidence, Explanation, Frame, Inspection
from linecore.ledger import Outcome
from linecore.line import Line
from linecore.log import LogEntry
from linecore.testing import Always, Images, Listener, Recorder, grey, make_line, run


class Own(BaseException):
    """An exception of the plugin's own."""


class Unruly:
    """Raises in one of its hooks, always or the first time."""

    def __init__(self, hook: str, error: BaseException) -> None:
        self._hook, self._error, self._raised = hook, error, Flag()

    def _now(self, hook: str, *, once: bool = False) -> None:
        if hook == self._hook and not (once and self._raised.is_set()):
            self._raised.set()
            raise self._error

    @hookimpl
    def start(self, line: Line) -> None:
        line.bus.subscribe(Event, lambda _event: self._now("handler"))
        self._line = line

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        yield self._line.frame(self, "0", image=grey())
        self._now("frames")

    @hookimpl
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        self._now("settle")

    @hookimpl
    def classify(self, frame: Frame) -> Classification | None:
        self._now("classify")
        return None

    @hookimpl
    def explain(self, frame: Frame, classification: Classification) -> Explanation | None:
        self._now("explain")
        return None

    @hookimpl
    def evidence(self, inspection: Inspection) -> Sequence[Evidence]:
        self._now("evidence")
        return ()

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        self._now("record", once=True)

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        self._now("notify", once=True)

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        self._now("log", once=True)

    @hookimpl
    def stop(self) -> None:
        self._now("stop")


HOOKS = ("frames", "settle", "classify", "explain", "evidence", "record", "notify", "log", "stop", "handler")
ERRORS = (SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), Own("mine"), MemoryError())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", HOOKS)
def test_nothing_that_a_plugin_raises_takes_the_line_down(hook: str, error: BaseException) -> None:
    source, sink = Images([grey()] * 4), Recorder()
    plugins = {"unruly": Unruly(hook, error), "images": source, "judge": Always(), "sink": sink}
    line = make_line(plugins, alarms=[AlarmRule(name="any", decisions=("FAIL", "NO_RESULT"), count=1, of=1)])
    balance = run(line)
    assert (balance.captured, balance.recorded) == (5, 5)
    assert len(sink.inspections) == 5
    assert len(source.settled) == 4
    assert line.undelivered == line.left_for_later == {}
    assert [alarm.state for alarm in sink.alarms] == ["raised", "cleared"]
    assert {entry.kind for entry in sink.entries} >= {"line started", "line stopped"}


@pytest.mark.parametrize("how", ["assignment", "drawing"])
def test_the_frame_that_all_share_cannot_be_written_to(how: str) -> None:
    class Scribbles(Recorder):
        @hookimpl
        def explain(self, frame: Frame, classification: Classification) -> None:
            if how == "assignment":
                frame.image[:] = 0
            else:
                cv2.rectangle(frame.image, (0, 0), (9, 9), 0, -1)

    sink = Recorder()
    encoded = cv2.imencode(".png", grey())[1].tobytes()
    plugins = {"images": Images([grey(), encoded]), "judge": Always(), "scribbles": Scribbles(), "sink": sink}
    assert run(make_line(plugins)).recorded == 2
    assert all((one.frame.image == 128).all() for one in sink.inspections)


def test_a_plugin_that_leaves_threads_and_memory_behind_takes_neither_frames_nor_the_end(tmp_path: Path) -> None:
    class Leaks(Always):
        let_go = Flag()
        kept: list[bytes] = []  # noqa: RUF012  # that is the leak

        @hookimpl
        def classify(self, frame: Frame) -> Classification:
            threading.Thread(target=self.let_go.wait, daemon=True).start()
            self.kept.append(bytes(100_000))
            return self._classification

    judge, sink = Leaks(), Recorder()
    line = make_line({"images": Images([grey()] * 50), "judge": judge, "sink": sink}, folder=tmp_path)
    assert run(line).recorded == 50
    judge.let_go.set()


def test_a_disk_that_fills_up_and_a_sink_that_is_away_hold_the_line_back_and_lose_nothing(tmp_path: Path) -> None:
    class Away(Recorder):
        back = Flag()

        @hookimpl
        def record(self, inspections: Sequence[Inspection]) -> None:
            if not self.back.is_set():
                raise OSError("away")
            super().record(inspections)

    sink, source = Away(), Images([grey(1, 200, 200)] * 40)
    settings = LineSettings(name="test", lane_mb=0.3, worker_timeout_s=0.2)
    line = make_line({"images": source, "judge": Always("ok"), "sink": sink}, settings=settings, folder=tmp_path)
    listener = Listener(line)
    line.start()
    connection = line.dispatch.journal.file._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    listener.wait_for(AlarmRaised)
    raised = [event.alarm.name for event in listener.of(AlarmRaised) if isinstance(event, AlarmRaised)]
    assert "journal cannot be written" in raised
    assert not line.exhausted.wait(0.5)  # workers wait for room, for longer than a plugin may
    connection.execute("PRAGMA max_page_count = 1000000")
    sink.back.set()
    sink.wait_for(lambda it: len(it.inspections) == 40)
    balance = line.stop()
    assert (balance.captured, balance.recorded) == (40, 40)
    assert len(source.settled) == 40
