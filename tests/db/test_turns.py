import fcntl
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, text

from linecore_db.recording import record
from linecore_db.session import open_database
from linecore_db.turns import Turn
from tests.db.inspections import inspection

HOLDER = """
import sys
from pathlib import Path
from linecore_db.turns import Turn
Turn(Path(sys.argv[1])).take()
print("taken", flush=True)
sys.stdin.read()
"""


def test_one_writes_while_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linecore_db.turns.WAIT_S", 0.05)
    first, second = Turn(tmp_path / "history.db"), Turn(tmp_path / "history.db")
    first.take()
    first.take()
    with pytest.raises(sqlite3.OperationalError, match="database is locked by another linecore"):
        second.take()
    first.give_back()
    second.take()
    second.give_back()
    second.give_back()


class BrokenOffError(BaseException):
    """What ends a sink's turn."""


def test_who_is_broken_off_while_it_waits_keeps_nobody_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (Turn(tmp_path / "history.db") for _ in range(3))

    def broken_off(*_: object) -> None:
        raise BrokenOffError

    def taken_and_broken_off(descriptor: int, flags: int) -> None:
        fcntl.flock(descriptor, flags)
        broken_off()

    monkeypatch.setattr("linecore_db.turns.fcntl", SimpleNamespace(**vars(fcntl) | {"flock": taken_and_broken_off}))
    with pytest.raises(BrokenOffError):
        first.take()
    monkeypatch.undo()
    second.take()
    monkeypatch.setattr("linecore_db.turns.time.sleep", broken_off)
    with pytest.raises(BrokenOffError):
        third.take()
    monkeypatch.undo()
    second.give_back()
    third.take()
    third.give_back()


def test_a_process_that_dies_gives_its_turn_back(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, file], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        holder.kill()
        holder.wait()
        turn = Turn(file)
        turn.take()
        turn.give_back()


def test_a_transaction_holds_the_turn_until_its_commit_is_over(
    sqlite_history: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linecore_db.turns.WAIT_S", 0.05)
    other = Turn(Path(str(sqlite_history.url.database)))
    with sqlite_history.begin() as connection:
        connection.execute(text("DELETE FROM hold"))
        with pytest.raises(sqlite3.OperationalError):
            other.take()
    other.take()
    other.give_back()
    with pytest.raises(sqlite3.OperationalError, match="nonsense"), sqlite_history.begin() as connection:
        connection.connection.execute("nonsense")
    other.take()
    other.give_back()


def test_reading_takes_no_turn(sqlite_history: Engine) -> None:
    reader = open_database(sqlite_history.url, read_only=True)
    turn = Turn(Path(str(sqlite_history.url.database)))
    turn.take()
    with reader.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM hold")) == 0
    turn.give_back()
    reader.dispose()


def test_threads_of_one_process_take_turns_too(sqlite_history: Engine) -> None:
    def write(start: int) -> None:
        for number in range(start, start + 20):
            record(sqlite_history, [inspection(number)])

    threads = [Thread(target=write, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sqlite_history.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM inspection")) == 60
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
