"""A line that runs goes on with a new version of its file."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

from linecore.config import LineConfig, parse_config
from linecore.errors import ConfigError, ConnectionFailedError, LinecoreError
from linecore.events import ConfigChanged
from linecore.inspection import Decision
from linecore.line import Line
from linecore.reload import Difference, reload_line
from linecore.testing import PATIENCE_S, Listener
from tests.linecore import reload_parts as parts

LINE = """
[line]
name = "mill"

[plugins.source]
type = "./parts.py:Source"

[plugins.judge]
type = "./parts.py:Judge"

[plugins.sink]
type = "./parts.py:Sink"
"""


class Mill:
    """A line on disk that runs, and what its plugins have seen."""

    def __init__(self, folder: Path) -> None:
        (folder / "parts.py").write_text("from tests.linecore.reload_parts import Judge, Sink, Source\n")
        self.path = folder / "line.toml"
        self.line = Line.from_config(self.config(LINE))
        self.listener = Listener(self.line)
        self.line.start()

    def config(self, text: str) -> LineConfig:
        return parse_config(text.encode(), self.path, {})

    def reload(self, *changes: tuple[str, str], more: str = "") -> tuple[str, ...]:
        text = LINE
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        return reload_line(self.line, self.config(text + more))

    def inspect(self, tag: str = "a") -> tuple[str, str, str]:
        """Let one frame in, and return what the sink got of it."""
        count = len(parts.GOT[tag])
        parts.TICKET.release()
        pause = Flag()
        for _ in range(2000):
            if len(parts.GOT[tag]) > count:
                return parts.GOT[tag][count]
            pause.wait(0.01)
        raise AssertionError(f"sink {tag} got nothing")

    @property
    def life(self) -> Sequence[str]:
        return list(parts.LIFE)


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    parts.forget()
    mill = Mill(tmp_path)
    yield mill
    balance = mill.line.stop()
    assert balance.balanced
    assert not balance.in_flight
    assert not balance.dropped


def test_other_rules_hold_from_the_next_frame_on_and_every_row_says_by_which(mill: Mill) -> None:
    before = mill.inspect()
    changes = mill.reload(("[plugins.source]", "[decision]\nmin_confidence = 0.95\n\n[plugins.source]"))
    after = mill.inspect()
    assert (before[1], after[1]) == (Decision.FAIL, Decision.UNCERTAIN)
    assert changes == ("decision.min_confidence: 0.8 -> 0.95",)
    assert before[2] != after[2] == mill.line.config_hash
    (event,) = mill.listener.of(ConfigChanged)
    assert isinstance(event, ConfigChanged)
    assert (event.before, event.after, event.changes) == (before[2], after[2], changes)
    assert mill.life == ["start source a", "start judge scratches", "start sink a"]


def test_the_history_is_told_of_the_change(mill: Mill) -> None:
    mill.reload(("[plugins.source]", "[decision]\npass_labels = ['scratches']\n\n[plugins.source]"))
    assert mill.inspect()[1] == Decision.PASS
    (entry,) = parts.CHANGES
    assert entry.message == "the configuration has changed: decision.pass_labels: ('ok',) -> ('scratches',)"
    assert entry.detail["after"] == mill.line.config_hash


def test_another_classifier_is_warm_before_it_judges_and_the_old_one_is_stopped(mill: Mill) -> None:
    mill.inspect()
    changes = mill.reload(('Judge"', 'Judge"\nlabel = "ok"'))
    assert changes == ("plugins.judge.label",)
    assert mill.inspect()[1] == Decision.PASS
    assert mill.life[3:] == ["start judge ok", "stop judge scratches"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('Judge"', "Judge\"\nbroken = 'start'"), "plugins.judge: no model"),
        (
            ('Judge"', "Judge\"\nbroken = 'classify'"),
            "the new classifier cannot judge a grey frame: RuntimeError: no mem",
        ),
        (('Judge"', "Judge\"\nconfidence = 'sure'"), "plugins.judge.confidence is 'sure'; it must be"),
        (('name = "mill"', 'name = "other"'), "line.name is 'other'; a line that runs keeps its name"),
        (("parts.py:Sink", "parts.py:Snik"), "parts.py has no class 'Snik'"),
    ],
)
def test_what_cannot_be_used_changes_nothing_and_says_why(mill: Mill, change: tuple[str, str], said: str) -> None:
    before = mill.inspect()
    with pytest.raises(LinecoreError) as caught:
        mill.reload(change)
    assert said in str(caught.value)
    assert mill.inspect()[1:] == before[1:]
    assert mill.listener.of(ConfigChanged) == []


def test_the_classifier_is_missed_before_anything_is_stopped(mill: Mill) -> None:
    with pytest.raises(ConfigError, match="has no classifier"):
        mill.reload(('[plugins.judge]\ntype = "./parts.py:Judge"\n', ""))
    assert mill.inspect()[1] == Decision.FAIL


def test_a_source_lets_its_address_go_before_its_successor_takes_it(mill: Mill) -> None:
    assert mill.inspect()[0] == "a0"
    mill.reload(('Source"', 'Source"\ntag = "b"'))
    assert mill.inspect()[0] == "b0"
    assert mill.life[3:5] == ["stop source a", "start source b"]


def test_a_source_that_could_not_be_replaced_goes_on(mill: Mill) -> None:
    assert mill.inspect()[0] == "a0"
    with pytest.raises(ConnectionFailedError, match="plugins.source: taken is taken"):
        mill.reload(('Source"', 'Source"\naddress = "taken"\ntag = "b"'))
    assert mill.life[3:] == ["stop source a", "stop source b", "start source a"]
    parts.TICKET.release()  # for a0, which it offers again, and which is safe already
    assert mill.inspect()[0] == "a1"


def test_a_sink_that_has_changed_takes_over_and_one_that_comes_gets_what_follows(mill: Mill) -> None:
    assert mill.inspect()[0] == "a0"
    more = '\n[plugins.second]\ntype = "./parts.py:Sink"\ntag = "c"\n'
    assert mill.reload(('Sink"', 'Sink"\ntag = "b"'), more=more) == ("plugins.sink.tag", "plugins.second added")
    assert mill.inspect("b")[0] == "a1"
    mill.line.dispatch.journal.wait_until_written(10)
    assert [one[0] for one in parts.GOT["a"]] == ["a0"]
    assert mill.reload(('Sink"', 'Sink"\ntag = "b"')) == ("plugins.second removed",)
    assert mill.inspect("b")[0] == "a2"
    assert [one[0] for one in parts.GOT["c"]] == ["a1"]
    assert mill.life[-1] == "stop sink c"


def test_workers_and_limits_change_while_the_line_runs(mill: Mill) -> None:
    mill.reload(('name = "mill"', 'name = "mill"\nworkers = 3\nlane_mb = 7'))
    assert mill.line.crew.count == 3
    lane = mill.line.dispatch.lane("sink")
    assert lane is not None
    assert lane.limits.bytes == 7 * 1024 * 1024
    assert mill.inspect()[1] == Decision.FAIL


def test_frames_flow_while_the_file_changes_and_none_is_lost(mill: Mill) -> None:
    for number in range(10):
        for _ in range(20):
            parts.TICKET.release()
        mill.reload(('Judge"', f'Judge"\nconfidence = 0.{90 + number}'))
    mill.inspect()
    names = [one[0] for one in parts.GOT["a"]]
    assert sorted(names) == sorted({f"a{number}" for number in range(len(names))})


def test_tables_are_kept_by_type_and_options(tmp_path: Path) -> None:
    def tables(text: str) -> LineConfig:
        return parse_config(text.encode(), tmp_path / "line.toml", {})

    before, after = (tables(text).plugins for text in (LINE, LINE.replace('Sink"', 'Sink"\ntag = "b"')))
    assert Difference.between(before, after) == Difference(("source", "judge"), ("sink",), ("sink",))


@pytest.mark.parametrize(
    ("broken", "said"),
    [("exit", "a plugin wants to end the process (SystemExit)"), ("tell", "RuntimeError: cannot log in with ${WORD}")],
)
def test_a_plugin_that_wants_to_exit_or_tells_its_secret_changes_nothing(mill: Mill, broken: str, said: str) -> None:
    text = LINE.replace('Judge"', f'Judge"\nbroken = "{broken}"\nlabel = "${{WORD}}"')
    with pytest.raises(ConfigError) as caught:
        reload_line(mill.line, parse_config(text.encode(), mill.path, {"WORD": "s3cretword"}))
    assert said in str(caught.value)
    assert "s3cretword" not in str(caught.value)
    assert mill.inspect()[1] == Decision.FAIL


def test_a_line_that_is_told_to_stop_does_not_wait_for_a_reload_that_hangs(tmp_path: Path) -> None:
    parts.forget()
    mill = Mill(tmp_path)
    mill.reload(('name = "mill"', 'name = "mill"\ndrain_timeout_s = 0.5'))

    def hang() -> None:
        with suppress(ConnectionFailedError):
            mill.reload(('Judge"', 'Judge"\nbroken = "hang"'))

    hanging = Thread(target=hang, daemon=True)
    hanging.start()
    try:
        assert parts.HANGING.wait(PATIENCE_S)
        with pytest.raises(ConfigError, match="another reload of the line 'mill' is under way"):
            mill.reload()
        assert mill.line.stop().balanced
    finally:
        parts.LET_GO.set()
        hanging.join(PATIENCE_S)
