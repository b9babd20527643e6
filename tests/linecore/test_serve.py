"""`linecore serve` as a process: every frame once, whatever happens to it."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.lines import TIMEOUT_S, linecore, rows, serving, wait_for_lines, write_line


def test_every_file_is_recorded_once_however_often_the_line_runs(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=60)
    for _ in range(2):
        done = linecore("serve", line, "--until-exhausted")
        assert done.returncode == 0, done.stderr
        found = rows(tmp_path / "history.db")
        assert len(found) == len(set(found)) == 60
    assert "mill: 0 captured = 0 recorded + 0 dropped + 0 in flight" in done.stderr


def test_sigterm_drains_and_the_rest_is_done_next_time(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=400)
    with serving(line, "--until-exhausted") as process:
        wait_for_lines(process, 20, "FAIL")
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, told
    first = rows(tmp_path / "history.db")
    assert 20 <= len(first) < 400
    assert f"mill: {len(first)} captured = {len(first)} recorded + 0 dropped + 0 in flight" in told
    assert linecore("serve", line, "--until-exhausted").returncode == 0
    after = rows(tmp_path / "history.db")
    assert len(after) == len(set(after)) == 400
    assert set(first) <= set(after)


def test_kill_9_loses_nothing_records_nothing_twice_and_leaves_the_ledger_in_balance(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    line = write_line(tmp_path, tiny_bundle, images=150)
    for printed in (5, 20):
        with serving(line, "--until-exhausted") as process:
            wait_for_lines(process, printed, "FAIL")
            process.kill()
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "history.db")
    assert len(found) == len(set(found)) == 150
    with closing(sqlite3.connect(tmp_path / ".linecore" / "mill" / "journal.sqlite3")) as journal:
        ((captured,),) = journal.execute("SELECT frames FROM captured").fetchall()
        outcomes = dict(journal.execute("SELECT reason, frames FROM outcome").fetchall())
        ((waiting,),) = journal.execute("SELECT count(*) FROM entry").fetchall()
    assert captured == sum(outcomes.values())
    assert outcomes[""] == 150
    assert set(outcomes) <= {"", "given back when the line ended"}
    assert waiting == 0


def test_several_lines_in_one_process(tmp_path: Path, tiny_bundle: Path) -> None:
    lines = [write_line(tmp_path / name, tiny_bundle, images=5, name=name) for name in ("left", "right")]
    done = linecore("serve", *lines, "--until-exhausted")
    assert done.returncode == 0, done.stderr
    assert all(len(rows(line.parent / "history.db")) == 5 for line in lines)


def test_two_lines_of_one_name_are_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    lines = [write_line(tmp_path / folder, tiny_bundle) for folder in ("a", "b")]
    done = linecore("serve", *lines)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {lines[1]}: line.name is 'mill', which {lines[0]} has too; ")


def test_a_line_that_is_served_already_is_not_served_again(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=1)
    line.write_text(line.read_text().replace("watch = false", "watch = true"))
    with serving(line) as process:
        wait_for_lines(process, 1, "FAIL")
        second = linecore("serve", line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 2
    assert f"the line 'mill' is being served already, by process {process.pid}" in second.stderr
    assert process.returncode == 0


SLOW = """
import threading
from linecore import hookimpl

class SlowArchive:
    @hookimpl
    def record(self, inspections):
        threading.Event().wait(0.02 * len(inspections))

class Breaks:
    @hookimpl
    def frames(self, stopping):
        raise OSError("the share went away")
"""


def test_nobody_hurries_a_slow_sink_when_the_sources_are_dry(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=60, more='[plugins.slow]\ntype = "./slow.py:SlowArchive"\n')
    line.write_text(line.read_text().replace('name = "mill"', 'name = "mill"\ndrain_timeout_s = 0.1'))
    (tmp_path / "slow.py").write_text(SLOW)
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 0, done.stderr
    assert "60 captured = 60 recorded + 0 dropped + 0 in flight" in done.stderr


def test_until_exhausted_a_watched_folder_runs_dry(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=5)
    line.write_text(line.read_text().replace("watch = false", "watch = true"))
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "history.db")) == 5


def test_what_a_sink_has_not_taken_is_named_at_the_end(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=5, more='[plugins.csv]\ntype = "./sink.py:Raises"\n')
    (tmp_path / "sink.py").write_text(
        "from linecore import hookimpl\n\nclass Raises:\n    @hookimpl\n    def record(self): raise OSError('full')\n"
    )
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 1
    assert "mill: sink csv has not taken 5; the journal keeps them" in done.stderr
    assert len(rows(tmp_path / "history.db")) == 5


def test_a_source_that_failed_is_no_success(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=2, more='[plugins.bad]\ntype = "./slow.py:Breaks"\n')
    (tmp_path / "slow.py").write_text(SLOW)
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 1
    assert "mill: source bad failed before it was done" in done.stderr
    assert len(rows(tmp_path / "history.db")) == 2


SINK = """
import sys
from pathlib import Path
from linecore import hookimpl

class CsvSink:
    @hookimpl
    def record(self, inspections):
        with Path(__file__).with_name("verdicts.csv").open("a") as file:
            for one in inspections:
                file.write(f"{one.frame.id},{one.verdict.decision},{'tensorflow' in sys.modules}\\n")
"""


def test_a_sink_in_a_file_beside_the_config_works_and_no_tensorflow_is_imported(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    assert SINK.strip().count("\n") < 15
    line = write_line(tmp_path, tiny_bundle, images=5, more='[plugins.csv]\ntype = "./csv_sink.py:CsvSink"\n')
    (tmp_path / "csv_sink.py").write_text(SINK)
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 0, done.stderr
    written = [row.split(",") for row in (tmp_path / "verdicts.csv").read_text().split()]
    assert [(decision, tensorflow) for _, decision, tensorflow in written] == [("FAIL", "False")] * 5


def test_a_broken_image_is_a_row_with_its_reason_and_the_line_goes_on(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=3)
    whole = (tmp_path / "incoming" / "0.png").read_bytes()
    for name, content in {"a.png": b"", "b.jpg": b"hello", "c.png": whole[:200]}.items():
        (tmp_path / "incoming" / name).write_bytes(content)
    done = linecore("serve", line, "--until-exhausted")
    assert done.returncode == 0, done.stderr
    reasons = rows(
        tmp_path / "history.db", "SELECT reason FROM inspection WHERE decision = 'NO_RESULT' ORDER BY reason"
    )
    assert reasons == [
        "bad image: it is not a JPEG, PNG, BMP or TIFF file",
        "bad image: the PNG ends before its IEND chunk: it was cut off",
        "bad image: the file is empty",
    ]
    assert len(rows(tmp_path / "history.db")) == 6
