import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from linecore.inspection import Decision, Evidence, Part
from linecore.log import LogEntry
from linecore_db.commands.db import db
from linecore_db.commands.history import history
from linecore_db.queries import HistoryFilter, find
from linecore_db.recording import record, record_log
from tests.db.inspections import inspection

LINE = """
[line]
name = "one"
[plugins.files]
path = "evidence"
[plugins.database]
url = "sqlite:///history.db"
"""


@pytest.fixture
def folder(sqlite_history: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A line's folder: three old rejects of lots L0 to L2, each with a file, one old PASS, and one young reject."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.toml").write_text(LINE)
    (tmp_path / "evidence").mkdir()
    now = datetime.now(UTC)
    batch = []
    for number, age in enumerate((400, 400, 400, 31, 1)):
        decision = Decision.PASS if age == 31 else Decision.FAIL
        made = inspection(number, decision=decision, captured_at=now - timedelta(days=age), part=Part(lot=f"L{number}"))
        file = tmp_path / "evidence" / f"{number}.png"
        file.write_bytes(b"12345")
        batch.append(replace(made, evidence=(Evidence("image", str(file)),)))
    record(sqlite_history, batch)
    record_log(sqlite_history, [LogEntry("1", "hot-strip-1", now, "config changed", "a new file")])
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(db, arguments, catch_exceptions=False)


def left(engine: Engine) -> list[int]:
    return [row.sequence for row in find(engine, HistoryFilter(), oldest_first=True)]


def test_the_line_of_this_folder_is_purged_by_default(sqlite_history: Engine, folder: Path) -> None:
    rehearsed = run("purge", "--dry-run")
    sentence = "4 inspections, 4 files (0.0 MB), 0 alarms, 0 entries of the log and 0 dropped frames"
    assert rehearsed.stdout == f"{sentence} would go\n"
    assert left(sqlite_history) == [0, 1, 2, 3, 4]
    done = run("purge")
    assert (done.exit_code, done.stdout) == (0, f"{sentence} are gone\n")
    assert left(sqlite_history) == [4]
    assert [path.name for path in (folder / "evidence").iterdir()] == ["4.png"]


def test_files_may_take_so_much_and_no_more(sqlite_history: Engine, folder: Path) -> None:
    rehearsed = run(
        "purge", "--keep-rejects", "forever", "--keep-pass", "forever", "--max-images-gb", "1e-8", "--dry-run"
    )
    assert "files that stay take 10 bytes" in rehearsed.stdout
    assert len(list((folder / "evidence").iterdir())) == 5
    done = run("purge", "--keep-rejects", "forever", "--keep-pass", "forever", "--max-images-gb", "1e-8", "--json")
    assert (done.exit_code, json.loads(done.stdout)["image_bytes"]) == (0, 10)
    assert sorted(path.name for path in (folder / "evidence").iterdir()) == ["2.png", "4.png"]
    assert left(sqlite_history) == [0, 1, 2, 3, 4]
    run("hold", "lot=L2")
    over = run("purge", "--keep-rejects", "forever", "--max-images-gb", "0")
    assert over.exit_code == 1
    assert "they are more than the 0 GB of --max-images-gb: what is left is held" in over.stderr
    assert [path.name for path in (folder / "evidence").iterdir()] == ["2.png"]
    assert run("purge", "--max-images-gb", "nan").exit_code == 2
    assert "'200GB' is not a valid number" in run("purge", "--max-images-gb", "200GB").stderr


def test_a_folder_that_is_not_the_right_one_is_no_success(
    sqlite_history: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = run("purge", "--db", str(sqlite_history.url), "--keep-rejects", "forever", "--max-images-gb", "1")
    assert blind.exit_code == 1
    assert "name the folder with --evidence DIR" in blind.stderr


def test_what_is_held_stays_until_it_is_released(sqlite_history: Engine, folder: Path) -> None:
    assert run("hold", "lot=L1", "--note", "complaint 4711", "--by", "A. Smith").stdout == "lot L1 is held\n"
    assert run("hold", "lot=L1").stdout == "lot L1 is held already\n"
    assert "lot L1" in run("holds").stdout
    (held,) = map(json.loads, run("holds", "--json").stdout.splitlines())
    assert (held["part"], held["value"], held["held_by"], held["note"]) == ("lot", "L1", "A. Smith", "complaint 4711")
    done = run("purge")
    assert "1 inspections stay because they are held" in done.stdout
    assert left(sqlite_history) == [1, 4]
    assert run("release", "lot=L1", "--by", "B. Jones").stdout == "lot L1 is released\n"
    again = run("release", "lot=L1")
    assert (again.exit_code, again.stderr) == (1, "lot L1 is not held\n")
    assert run("holds").stderr == "nothing is held\n"
    assert "B. Jones" in run("holds", "--all").stdout
    run("purge")
    assert left(sqlite_history) == [4]


def test_ages_are_chosen(sqlite_history: Engine, folder: Path) -> None:
    run("purge", "--keep-pass", "forever", "--keep-rejects", "12h", "--keep-log", "0s")
    assert left(sqlite_history) == [3]
    assert CliRunner().invoke(history, ["--log", "--format", "json"]).stdout == ""


def test_images_go_before_their_rows(sqlite_history: Engine, folder: Path) -> None:
    run("purge", "--keep-pass", "forever", "--keep-rejects", "forever", "--keep-images", "10d")
    assert left(sqlite_history) == [0, 1, 2, 3, 4]
    assert [path.name for path in (folder / "evidence").iterdir()] == ["4.png"]


def test_a_program_gets_json(folder: Path) -> None:
    said = json.loads(run("purge", "--json").stdout)
    assert (said["inspections"], said["files"], said["bytes"], said["dry_run"]) == (4, 4, 20, False)


def test_files_outside_the_named_folders_stay_and_so_do_their_rows(sqlite_history: Engine, folder: Path) -> None:
    url = f"sqlite:///{folder / 'history.db'}"
    done = run("purge", "--db", url)
    assert done.exit_code == 1
    assert "0.png stays: it lies outside the evidence folders" in done.stderr
    assert "name the folder with --evidence DIR" in done.stderr
    assert left(sqlite_history) == [0, 1, 2, 3, 4]
    assert run("purge", "--db", url, "--evidence", "evidence").exit_code == 0
    assert left(sqlite_history) == [4]


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (["purge", "--keep-pass", "soon"], "'soon' is no age; write 12h, 30d, 52w or forever"),
        (["hold", "L7"], "'L7' names nothing that can be held; write one of serial=..., lot="),
        (["hold", "side=top"], "'side=top' names nothing that can be held"),
        (["hold", "lot="], "names nothing that can be held"),
    ],
)
def test_a_wrong_wish_is_refused_with_what_would_be_right(folder: Path, wish: list[str], sentence: str) -> None:
    result = run(*wish)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_the_log_is_asked_like_the_history(folder: Path) -> None:
    def ask(*arguments: str) -> Result:
        return CliRunner().invoke(history, ["--log", *arguments])

    assert "config changed" in ask().stdout
    assert json.loads(ask("--format", "json").stdout)["message"] == "a new file"
    assert ask("--format", "csv").stdout.splitlines()[0] == "at,line,source,kind,message,detail"
    assert "nothing in the history agrees" in ask("--kind", "sequence gap").stderr
    assert ask("--line", "nowhere", "--format", "json").stdout == ""
    refused = ask("--label", "scratches")
    assert (refused.exit_code, "--log goes with" in refused.stderr) == (2, True)
    assert CliRunner().invoke(history, ["--kind", "x"]).exit_code == 2
