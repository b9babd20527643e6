"""`linecore status`, `reload` and `journal` beside a real `linecore serve`."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from typing import Any

import cv2
from sqlalchemy.exc import SQLAlchemyError

from linecore.config import load_config
from tests.bundles import spot
from tests.lines import TIMEOUT_S, linecore, rows, serving, wait_for_lines, write_line

SINK = '''
from pathlib import Path
from linecore import hookimpl

class Picky:
    """Refuses one frame until it is told otherwise."""

    @hookimpl
    def record(self, inspections):
        for one in inspections:
            if one.frame.id.startswith("mill/folder/2.png") and not Path(__file__).with_name("mended").exists():
                raise ValueError("no room for the number 2")
            with Path(__file__).with_name("got").open("a") as file:
                file.write(f"{one.frame.id} {one.buffered}\\n")
'''


def history(line: Path, query: str = "SELECT frame_id FROM inspection") -> list[str]:
    """Ask the history; nothing while it has no tables yet."""
    try:
        return rows(line.parent / "history.db", query)
    except SQLAlchemyError:
        return []


def status(line: Path) -> tuple[int, dict[str, Any]]:
    done = linecore("status", line, "--json")
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def until(condition: Callable[[], bool]) -> None:
    pause = Flag()
    for _ in range(int(TIMEOUT_S / 0.2)):
        if condition():
            return
        pause.wait(0.2)
    raise AssertionError("waited in vain")


def watched(folder: Path, bundle: Path, *, images: int, more: str = "") -> Path:
    line = write_line(folder, bundle, images=images, more=more)
    line.write_text(line.read_text().replace("watch = false", "watch = true"))
    return line


def end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=TIMEOUT_S)[1]


def test_the_status_of_a_line_that_runs_and_of_one_that_has_ended(tmp_path: Path, tiny_bundle: Path) -> None:
    line = watched(tmp_path, tiny_bundle, images=5)
    never = linecore("status", line)
    assert never.returncode == 2
    assert "the line 'mill' has never been served from here" in never.stderr
    with serving(line) as process:
        wait_for_lines(process, 5, "FAIL")
        until(lambda: status(line)[1]["sinks"]["database"]["state"] == "idle")
        code, found = status(line)
        shown = linecore("status", line, environment={"COLUMNS": "100"})
        told = end(process)
    assert code == 0, found
    assert found["serving"] is True
    assert found["pid"] == process.pid
    assert found["config_hash"] == load_config(line).hash
    balance = {"captured": 5, "recorded": 5, "dropped": {}, "in_flight": 0, "balanced": True}
    assert found["total"] == found["ledger"] == {"folder": balance}
    assert found["sources"] == {"folder": "running"}
    assert set(found["plugins"]) == {"folder", "tflite", "gradcam", "database", "console"}
    assert found["plugins"]["tflite"]["calls"] == 6  # start, and each frame
    assert found["journal"]["trouble"] is None
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "mill is served by process" in shown.stdout
    assert process.returncode == 0, told
    code, left = status(line)
    assert (code, left["serving"], left["total"]) == (0, False, {"folder": balance})


def test_the_ledger_balances_after_kill_9_and_says_what_was_on_its_way(tmp_path: Path, tiny_bundle: Path) -> None:
    line = watched(tmp_path, tiny_bundle, images=300)
    with serving(line) as process:
        wait_for_lines(process, 30, "FAIL")
        process.kill()
        process.wait()
    total = status(line)[1]["total"]["folder"]
    assert total["balanced"]
    with serving(line) as process:
        until(lambda: len(history(line)) == 300)
        after = status(line)[1]["total"]["folder"]
        end(process)
    assert after["balanced"]
    assert after["recorded"] == 300
    assert after["dropped"].get("given back when the line ended", 0) == total["in_flight"]
    if total["in_flight"]:
        told = history(line, "SELECT message FROM log_entry WHERE kind = 'interrupted'")
        assert told == [f"the line ended with {total['in_flight']} frames of folder on their way"]


def test_a_line_is_reloaded_by_command_and_by_signal(tmp_path: Path, tiny_bundle: Path) -> None:
    line = watched(tmp_path, tiny_bundle, images=1)
    nobody = linecore("reload", line)
    assert (nobody.returncode, nobody.stderr) == (2, "Error: nobody serves the line\n")
    with serving(line) as process:
        wait_for_lines(process, 1, "FAIL")
        whole = line.read_text()
        line.write_text(whole + "[decision]\nmin_confidence = 2\n")
        refused = linecore("reload", line)
        line.write_text(whole + "[decision]\npass_labels = ['scratches']\n")
        done = linecore("reload", line)
        cv2.imwrite(str(tmp_path / "incoming" / "new.png"), spot(255, at=(80, 60)))
        wait_for_lines(process, 1, "PASS")
        line.write_text(whole)
        process.send_signal(signal.SIGHUP)
        until(lambda: status(line)[1]["config_hash"] == load_config(line).hash)
        told = end(process)
    assert refused.returncode == 2
    assert "decision.min_confidence is 2; it must be" in refused.stderr
    assert done.stdout == (
        "mill: 1 change, effective from the next frame\n  decision.pass_labels: ('ok',) -> ('scratches',)\n"
    )
    assert "mill: reloaded: decision.pass_labels: ('scratches',) -> ('ok',)" in told
    hashes = history(line, "SELECT config_hash FROM inspection ORDER BY id")
    assert len(set(hashes)) == 2
    changes = history(line, "SELECT message FROM log_entry WHERE kind = 'config changed'")
    assert len(changes) == 2


def test_a_refused_delivery_is_listed_and_replayed(tmp_path: Path, tiny_bundle: Path) -> None:
    more = '[plugins.picky]\ntype = "./picky.py:Picky"\n'
    line = watched(tmp_path, tiny_bundle, images=5, more=more)
    # One worker, so that frames come in order: of the last, nobody could tell a refusal from a sink that is away.
    line.write_text(line.read_text().replace('name = "mill"', 'name = "mill"\nworkers = 1\nsink_attempts = 1'))
    (tmp_path / "picky.py").write_text(SINK)
    with serving(line) as process:
        until(lambda: bool(linecore("journal", "list", line).stdout))
        listed = linecore("journal", "list", line, "--json")
        letter = json.loads(listed.stdout)
        code, found = status(line)
        stays = linecore("journal", "replay", line)
        wrong = linecore("journal", "discard", line, "--id", "77")
        (tmp_path / "mended").touch()
        replayed = linecore("journal", "replay", line, "--sink", "picky", "--id", letter["id"])
        empty = linecore("journal", "list", line)
        end(process)
    assert (wrong.returncode, wrong.stderr) == (2, "Error: there is no dead letter 77\n")
    assert letter["sink"] == "picky"
    assert letter["name"].startswith("mill/folder/2.png")
    assert letter["error"] == "ValueError: no room for the number 2"
    assert code == 1
    assert found["sinks"]["picky"]["dead"] == 1
    assert stays.returncode == 1
    assert stays.stdout == "0 of 1 delivered\n"
    assert "ValueError: no room for the number 2" in stays.stderr
    assert (replayed.returncode, replayed.stdout) == (0, "1 of 1 delivered\n")
    assert empty.stderr == "there are no dead letters\n"
    got = [entry.rsplit(" ", 1) for entry in (tmp_path / "got").read_text().splitlines()]
    assert len({name for name, _ in got}) == 5
    assert [late for name, late in got if name == letter["name"]] == ["True"]


def test_a_dead_letter_may_be_let_go_also_when_nobody_serves(tmp_path: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, tiny_bundle, images=5, more='[plugins.picky]\ntype = "./picky.py:Picky"\n')
    line.write_text(line.read_text().replace('name = "mill"', 'name = "mill"\nworkers = 1\nsink_attempts = 1'))
    (tmp_path / "picky.py").write_text(SINK)
    assert linecore("serve", line, "--until-exhausted").returncode == 0
    (letter,) = map(json.loads, linecore("journal", "list", line, "--json").stdout.splitlines())
    done = linecore("journal", "discard", line, "--id", letter["id"])
    assert (done.returncode, done.stdout) == (0, "1 discarded\n")
    assert linecore("journal", "list", line).stderr == "there are no dead letters\n"


LEAKS = """
from linecore import hookimpl

class Leaks:
    kept = []

    @hookimpl
    def record(self, inspections):
        self.kept.append(bytearray(40 * 1024 * 1024 * len(inspections)))
"""


def test_a_process_that_outgrows_its_memory_starts_anew_and_loses_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    line = watched(tmp_path, tiny_bundle, images=40, more='[plugins.leaks]\ntype = "./leaks.py:Leaks"\n')
    line.write_text(line.read_text().replace('name = "mill"', 'name = "mill"\nmemory_mb = 700'))
    (tmp_path / "leaks.py").write_text(LEAKS)
    with serving(line) as process:
        until(lambda: len(history(line)) == 40)
        until(lambda: "memory limit" in history(line, "SELECT kind FROM log_entry"))
        until(lambda: history(line, "SELECT kind FROM log_entry").count("line started") == 2)
        until(lambda: status(line)[1].get("pid") == process.pid)
        told = end(process)
    assert "more than memory_mb = 700; it starts anew" in told
    found = history(line)
    assert len(found) == len(set(found)) == 40
