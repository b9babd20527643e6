"""The command line as a user meets it: a real process."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from linecore.cli import SUMMARIES, linecore

HEAVY = ("tensorflow", "keras", "cv2", "ai_edge_litert", "sqlalchemy", "numpy", "pydantic")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "linecore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


def test_help_is_cheap_and_imports_nothing_heavy() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = (
        "import sys, linecore.cli as cli\n"
        "sys.argv = ['linecore', '--help']\n"
        "cli.main()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert shown.rstrip().endswith("[]")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert all(name in shown for name in SUMMARIES)


@pytest.mark.parametrize("name", list(SUMMARIES))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = linecore.get_command(linecore.make_context("linecore", ["--help"], resilient_parsing=True), name)
    assert command is not None
    text = f"{command.help}\n{command.epilog}"
    assert re.search(r"Examples?:\s+linecore ", text)


def test_a_misspelt_command_gets_a_suggestion_and_exit_code_2() -> None:
    done = run("serv")
    assert done.returncode == 2
    assert "Did you mean 'serve'?" in done.stderr


def test_the_list_of_plugins_names_a_missing_extra_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_sink-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        'Metadata-Version: 2.1\nName: acme-sink\nVersion: 1.0\nRequires-Dist: acme-driver ; extra == "io"\n'
    )
    (info / "entry_points.txt").write_text("[linecore]\nacme = acme_sink:AcmeSink [io]\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    assert "pip install 'acme-sink[io]'" in run("plugins", "list").stdout


def test_an_error_of_the_users_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    done = run("serve", "absent.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "Error: absent.toml does not exist; `linecore init` writes one\n"


def test_init_writes_a_file_that_check_accepts_and_leaves_an_old_one_alone(tmp_path: Path) -> None:
    assert run("init", "mill", "--source", "folder", cwd=tmp_path).returncode == 0
    again = run("init", "mill", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr == "Error: mill/line.toml exists; edit it, or name another folder\n"
    checked = run("check", "mill/line.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "is ready to serve" in checked.stdout
