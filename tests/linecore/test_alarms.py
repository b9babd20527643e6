from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from linecore.alarms import Alarm, AlarmBoard, AlarmRule, AlarmState, Priority
from linecore.inspection import Decision, Frame, Inspection, Timings, Verdict
from linecore.testing import Always, Images, Listener, Recorder, grey, make_line, run

START = datetime(2026, 1, 1, tzinfo=UTC)
BURST = AlarmRule(name="burst", labels=("scratches",), count=3, of=5)


class Board:
    """A board, the changes it told, and a clock that the test moves."""

    def __init__(self, *rules: AlarmRule) -> None:
        self.changes: list[Alarm] = []
        self.seconds = 0.0
        self.set_back = timedelta()
        self.board = AlarmBoard("test", rules, self.changes.append, self)
        self.frames = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) - self.set_back

    def monotonic(self) -> float:
        return self.seconds

    def sees(self, *labels: str, decision: Decision = Decision.FAIL, source: str = "camera") -> None:
        for label in labels:
            self.frames += 1
            frame = Frame(str(self.frames), "test", source, self.frames, self.now())
            self.board.frame_arrived(source)
            self.board.observe(Inspection(frame, Verdict(decision, label), Timings(), self.now()))

    def waits(self, seconds: float) -> None:
        self.seconds += seconds
        self.board.tick()

    @property
    def states(self) -> list[AlarmState]:
        return [alarm.state for alarm in self.changes]


RAISED, CLEARED = AlarmState.RAISED, AlarmState.CLEARED


def test_n_of_the_last_m_is_raised_once_and_cleared_once() -> None:
    board = Board(BURST)
    board.sees("scratches", "patches", "scratches")
    assert board.states == []
    board.sees("scratches", "scratches", "scratches")
    assert board.states == [RAISED]
    assert board.changes[0].message == "3 of the last 5 frames are FAIL scratches"
    assert board.changes[0].frame_ids == ("1", "3", "4")
    board.sees("patches", "patches", "patches", "patches")
    assert board.states == [RAISED, CLEARED]
    assert board.changes[0].id == board.changes[1].id
    board.sees("scratches", "scratches", "scratches")
    assert board.states == [RAISED, CLEARED, RAISED]
    assert board.changes[2].id != board.changes[0].id


def test_only_the_asked_decisions_count() -> None:
    board = Board(BURST)
    board.sees("scratches", "scratches", "scratches", decision=Decision.UNCERTAIN)
    assert board.states == []


def test_missing_answers_count() -> None:
    board = Board(AlarmRule(name="blind", decisions=(Decision.NO_RESULT,), count=3, of=3))
    board.sees("", "", decision=Decision.NO_RESULT)
    board.sees("ok", decision=Decision.PASS)
    board.sees("", "", decision=Decision.NO_RESULT)
    assert board.states == []
    board.sees("", decision=Decision.NO_RESULT)
    assert board.states == [RAISED]


def test_a_count_within_a_time_window_clears_as_time_passes() -> None:
    board = Board(AlarmRule(name="many", count=2, within_s=60))
    board.sees("patches")
    board.waits(61)
    board.sees("patches")
    assert board.states == []
    board.waits(30)
    board.sees("patches")
    assert board.states == [RAISED]
    board.waits(31)
    assert board.states == [RAISED, CLEARED]


def test_a_rate_needs_frames_before_it_is_believed() -> None:
    board = Board(AlarmRule(name="rate", rate=0.5, within_s=60, at_least=4))
    board.sees("patches", "patches", "patches")
    assert board.states == []
    board.sees("ok", decision=Decision.PASS)
    assert board.states == [RAISED]
    board.sees("ok", "ok", "ok", decision=Decision.PASS)
    assert board.states == [RAISED, CLEARED]


def test_silence_is_raised_by_time_and_cleared_by_a_frame() -> None:
    board = Board(AlarmRule(name="silence", silence_s=10, sources=("left",)))
    board.waits(9)
    assert board.states == []
    board.waits(1)
    board.waits(5)
    assert board.states == [RAISED]
    assert board.changes[0].message == "no frame for 10 s"
    board.sees("ok", source="right")
    assert board.states == [RAISED]
    board.sees("ok", source="left")
    assert board.states == [RAISED, CLEARED]


def test_setting_the_computers_clock_back_hides_no_silence() -> None:
    board = Board(AlarmRule(name="silence", silence_s=10))
    board.set_back = timedelta(hours=1)
    board.waits(11)
    assert board.states == [RAISED]


def test_what_nobody_watches_any_more_is_cleared() -> None:
    board = Board(BURST)
    board.sees("scratches", "scratches", "scratches")
    board.board.clear_all("the line stopped")
    board.board.clear_all("the line stopped")
    assert board.states == [RAISED, CLEARED]
    assert board.changes[-1].message == "the line stopped"
    assert board.board.active == ()


@pytest.mark.parametrize(
    "wrong", [{}, {"count": 3}, {"count": 3, "of": 2}, {"rate": 0.5}, {"silence_s": 3, "count": 1, "of": 1}, {"of": 3}]
)
def test_a_rule_has_exactly_one_condition(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AlarmRule.model_validate({"name": "x", **wrong})


def test_a_line_tells_its_notifiers_and_its_bus() -> None:
    sink = Recorder()
    rule = AlarmRule(name="burst", labels=("scratches",), count=3, of=5)
    line = make_line({"images": Images([grey()] * 10), "judge": Always(), "sink": sink}, alarms=[rule])
    listener = Listener(line)
    run(line)
    assert [alarm.state for alarm in sink.alarms] == [RAISED, CLEARED]
    names = [type(event).__name__ for event in listener.events if type(event).__name__.startswith("Alarm")]
    assert names == ["AlarmRaised", "AlarmCleared"]


def test_an_alarm_of_the_lines_own_is_raised_once_and_cleared_once() -> None:
    board = Board()
    for _ in range(2):
        board.board.raise_own("journal is filling", Priority.CRITICAL, "80 % full")
    assert [alarm.name for alarm in board.board.active] == ["journal is filling"]
    for _ in range(2):
        board.board.clear_own("journal is filling", "it is over")
    board.board.clear_own("never raised", "it is over")
    assert [(one.state, one.message) for one in board.changes] == [
        (AlarmState.RAISED, "80 % full"),
        (AlarmState.CLEARED, "it is over"),
    ]
    assert len({one.id for one in board.changes}) == 1


def test_while_the_line_drains_nothing_is_raised_that_nobody_would_clear() -> None:
    board = Board()
    board.board.raise_own("sink a is away", Priority.HIGH, "refused")
    board.board.clear_all("the line stopped")
    board.board.raise_own("sink b is away", Priority.HIGH, "refused")
    assert [one.state for one in board.changes] == [AlarmState.RAISED, AlarmState.CLEARED]
    assert board.board.active == ()


def test_other_rules_keep_what_the_same_ones_have_seen_and_clear_what_is_gone() -> None:
    kept, gone = AlarmRule(name="kept", count=1, of=1), AlarmRule(name="gone", count=1, of=1)
    new = AlarmRule(name="new", count=1, of=5)
    board = Board(kept, gone)
    board.board.observe(failed(1))
    board.board.use([new, kept])
    assert [(one.name, one.state) for one in board.changes] == [
        ("kept", AlarmState.RAISED),
        ("gone", AlarmState.RAISED),
        ("gone", AlarmState.CLEARED),
    ]
    assert board.changes[-1].message == "its rule was removed"
    board.board.observe(failed(2))
    assert [(one.name, one.state) for one in board.changes[3:]] == [("new", AlarmState.RAISED)]


def failed(number: int) -> Inspection:
    frame = Frame(str(number), "test", "camera", number, START)
    return Inspection(frame, Verdict(Decision.FAIL, "scratches"), Timings(), START)
