import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from linecore.cli import linecore
from linecore.errors import LinecoreError
from linecore.inspection import Decision, Part
from linecore_db.commands.db import db
from linecore_db.commands.history import history
from linecore_db.recording import record
from linecore_db.upgrade import VERSION_TABLE
from tests.db.inspections import inspection


@pytest.fixture
def url(sqlite_history: Engine) -> Iterator[str]:
    """A history in SQLite of three frames."""
    record(
        sqlite_history,
        [
            inspection(0, part=Part(coil="C1")),
            inspection(1, part=Part(coil="C2"), label="patches"),
            inspection(2, decision=Decision.PASS, label="ok"),
        ],
    )
    yield f"sqlite:///{sqlite_history.url.database}"


def ask(*arguments: str) -> Result:
    result = CliRunner().invoke(history, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_table_is_the_default(url: str) -> None:
    header, *rows = ask("--db", url).stdout.splitlines()
    assert header.split()[:2] == ["captured", "(UTC)"]
    assert [row.split()[2] for row in rows if row.startswith("2026")] == ["PASS", "FAIL", "FAIL"]
    assert max(len(line) for line in (header, *rows)) <= 100


def test_json_is_one_object_a_line(url: str) -> None:
    lines = ask("--db", url, "--format", "json", "--decision", "fail").stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["patches", "scratches"]


def test_csv_has_a_header(url: str) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("--db", url, "--format", "csv", "--oldest-first").stdout)))
    assert [row["coil"] for row in rows] == ["C1", "C2", ""]


@pytest.mark.parametrize(
    ("wish", "frames"),
    [
        (["--part", "coil=C1"], [0]),
        (["--label", "patches"], [1]),
        (["--line", "hot-strip-1", "--source", "camera", "--limit", "0"], [2, 1, 0]),
        (["--since", "2026-03-01T12:00:01"], [2, 1]),
        (["--until", "2026-03-01T13:00:01+01:00"], [0]),
        (["--since", "2h"], []),
        (["--frame", "hot-strip-1/camera/0001.jpg"], [1]),
        (["--limit", "1"], [2]),
    ],
)
def test_options_choose_frames(url: str, wish: list[str], frames: list[int]) -> None:
    lines = ask("--db", url, "--format", "json", *wish).stdout.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == frames


def test_counting(url: str) -> None:
    counted = ask("--db", url, "--count", "--decision", "FAIL").stdout
    assert counted.splitlines()[1].split() == ["FAIL", "patches", "1", "50.0%", "50.0%"]
    assert (
        ask("--db", url, "--count", "--format", "csv", "--label", "ok").stdout == "decision,label,frames\nPASS,ok,1\n"
    )
    as_json = ask("--db", url, "--count", "--format", "json", "--label", "ok").stdout
    assert json.loads(as_json) == {"decision": "PASS", "label": "ok", "frames": 1}


def test_an_empty_answer_is_not_an_error(url: str) -> None:
    for wish in (["--line", "nowhere"], ["--line", "nowhere", "--count"]):
        result = ask("--db", url, *wish)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "nothing in the history agrees with that" in result.stderr
    assert ask("--db", url, "--line", "nowhere", "--format", "json").output == ""


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (["--since", "soon"], "'soon' is no time; write 2h"),
        (["--part", "C1"], "'C1' names no part; write one of serial="),
        (["--decision", "maybe"], "'maybe' is not one of"),
    ],
)
def test_a_wrong_wish_is_refused_with_what_would_be_right(url: str, wish: list[str], sentence: str) -> None:
    result = ask("--db", url, *wish)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_the_database_of_the_line_in_this_folder_is_the_default(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "line.toml").write_text('[line]\nname = "one"\n[plugins.database]\nurl = "sqlite:///history.db"\n')
    monkeypatch.chdir(tmp_path)
    assert url == f"sqlite:///{tmp_path / 'history.db'}"
    assert ask("--count").stdout == ask("--count", "--config", str(tmp_path / "line.toml")).stdout != ""


def test_asking_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LinecoreError, match="there is no database sqlite:///"):
        ask("--db", "sqlite:///history.db")
    assert not list(tmp_path.iterdir())


def test_upgrading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    where = f"sqlite:///{tmp_path / 'history.db'}"
    for said in ("is ready (schema 0002)", "is up to date (schema 0002)"):
        result = CliRunner().invoke(db, ["upgrade", "sqlite:///history.db"], catch_exceptions=False)
        assert result.stdout == f"{where} {said}\n"
    assert ask("--db", "sqlite:///history.db", "--count").exit_code == 0


def test_a_newer_history_is_not_misread(sqlite_history: Engine, url: str) -> None:
    with sqlite_history.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(LinecoreError, match=f"the database {url} was written by a newer linecore"):
        ask("--db", url)


def test_the_commands_are_found_by_name() -> None:
    for command in (["history", "--help"], ["db", "upgrade", "--help"]):
        result = CliRunner().invoke(linecore, command)
        assert (result.exit_code, "Examples:" in result.stdout) == (0, True)


def test_a_reader_that_has_seen_enough_may_leave(sqlite_history: Engine, url: str) -> None:
    record(sqlite_history, [inspection(number) for number in range(10, 1000)])
    command = [sys.executable, "-m", "linecore", "history", "--db", url, "--limit", "0", "--format"]
    readers = [
        subprocess.Popen([*command, form], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for form in ("json", "csv", "table")
    ]
    for reader in readers:
        with reader:
            assert reader.stdout is not None
            assert reader.stderr is not None
            assert reader.stdout.readline()
            reader.stdout.close()
            assert reader.stderr.read() == b""


def test_asking_the_history_imports_no_pictures_and_no_networks(url: str) -> None:
    script = (
        "import sys; from linecore_db.commands.history import history; history(sys.argv[1:], standalone_mode=False);"
        "print(sorted({'cv2', 'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, "--db", url, "--count"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "[]"
