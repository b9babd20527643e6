"""Each hook has a test named after it: asked through a line, answered by a plugin."""

from collections.abc import Iterator, Sequence
from threading import Event as Flag

import numpy as np

import linecore.hookspecs
from linecore.alarms import Alarm, AlarmRule
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Evidence, Explanation, Frame, Inspection, ModelId
from linecore.ledger import Outcome
from linecore.line import Line
from linecore.log import LogEntry
from linecore.plugins import HOOKS, hooks_of, known_plugins, load_plugin
from linecore.testing import grey, make_line, run


class Everything:
    """Answers every hook and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    @hookimpl
    def start(self, line: Line) -> None:
        self.line = line
        self.asked.append(("start", line))

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        self.asked.append(("frames", stopping.is_set()))
        yield self.line.frame(self, "a", image=grey())

    @hookimpl
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        self.asked.append(("settle", (frame.id, outcome.recorded)))

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        self.asked.append(("classify", frame.id))
        return Classification("patches", 0.9, {"patches": 0.9, "ok": 0.1}, ModelId("m", "1", "0" * 64))

    @hookimpl
    def explain(self, frame: Frame, classification: Classification) -> Explanation:
        self.asked.append(("explain", (frame.id, classification.label)))
        return Explanation(np.divide(frame.image, 255, dtype=np.float32), "none", classification.label)

    @hookimpl
    def evidence(self, inspection: Inspection) -> Sequence[Evidence]:
        self.asked.append(("evidence", inspection.frame.id))
        return [Evidence("image", "a.png")]

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        self.asked.append(("record", [(one.frame.id, one.evidence[0].path) for one in inspections]))

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        self.asked.append(("notify", str(alarm.state)))

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        self.asked += [("log", one.kind) for one in entries]

    @hookimpl
    def stop(self) -> None:
        self.asked.append(("stop", None))


def asked(hook: str) -> list[object]:
    plugin = Everything()
    line = make_line({"all": plugin}, alarms=[AlarmRule(name="any", count=1, of=1)])
    run(line)
    found = [answer for name, answer in plugin.asked if name == hook]
    return [answer if answer is not line else "line" for answer in found]


def test_start() -> None:
    assert asked("start") == ["line"]


def test_frames() -> None:
    assert asked("frames") == [False]


def test_settle() -> None:
    assert asked("settle") == [("test/all/a", True)]


def test_classify() -> None:
    assert asked("classify") == ["test/all/a"]


def test_explain() -> None:
    assert asked("explain") == [("test/all/a", "patches")]


def test_evidence() -> None:
    assert asked("evidence") == ["test/all/a"]


def test_record() -> None:
    assert asked("record") == [[("test/all/a", "a.png")]]


def test_notify() -> None:
    assert asked("notify") == ["raised", "cleared"]


def test_log() -> None:
    assert asked("log") == ["line started", "ledger", "line stopped"]


def test_stop() -> None:
    assert asked("stop") == [None]


def test_each_hook_has_a_test_named_after_it() -> None:
    assert {f"test_{name}" for name in HOOKS} <= set(globals())


def test_each_hook_is_answered_by_a_plugin_that_ships() -> None:
    answered = {hook for entry in known_plugins().values() for hook in hooks_of(load_plugin(entry))}
    assert answered == set(HOOKS)


def test_each_first_result_hook_says_so_in_the_same_words() -> None:
    sentence = "The first answer that is not None counts; the plugins after it are not asked."
    for name in HOOKS:
        function = getattr(linecore.hookspecs.HookSpecs, name)
        assert (sentence in " ".join(function.__doc__.split())) is function.linecore_spec["firstresult"], name
