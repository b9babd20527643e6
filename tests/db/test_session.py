import socket
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from linecore.errors import ConnectionFailedError
from linecore_db.session import open_database
from linecore_db.urls import parse_url


def test_sqlite_keeps_what_is_committed_and_waits_for_other_writers(tmp_path: Path) -> None:
    engine = open_database(parse_url("sqlite:///history.db", tmp_path))
    with engine.connect() as connection:
        pragmas = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 2}  # 2 is FULL
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA busy_timeout")) == 10_000
    engine.dispose()


def test_reading_never_creates_or_changes_a_file(tmp_path: Path) -> None:
    url = parse_url("sqlite:///odd ?#%20.db", tmp_path)
    with pytest.raises(ConnectionFailedError, match="there is no database .*; a line writes it"):
        open_database(url, read_only=True)
    assert not list(tmp_path.iterdir())
    writer = open_database(url)
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    reader = open_database(url, read_only=True)
    with reader.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
        with pytest.raises(OperationalError, match="readonly"):
            connection.execute(text("INSERT INTO t VALUES (1)"))
    reader.dispose()
    writer.dispose()


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    url = parse_url("sqlite:///history.db", tmp_path)
    writer = open_database(url)
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    reader = open_database(url, read_only=True)
    with writer.begin() as writing, reader.connect() as reading:
        writing.execute(text("INSERT INTO t VALUES (1)"))
        assert reading.scalar(text("SELECT count(*) FROM t")) == 0
    reader.dispose()
    writer.dispose()


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_an_unreachable_server_is_one_sentence_without_the_password(scheme: str) -> None:
    with socket.socket() as bound:  # bound and not listening: the port refuses, and nobody else can take it
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ConnectionFailedError) as caught:
            open_database(parse_url(f"{scheme}://u:secret@127.0.0.1:{port}/db"))
    sentence = str(caught.value)
    assert sentence.startswith(f"the database {scheme}://u:***@127.0.0.1:{port}/db cannot be used: ")
    assert "refused" in sentence
    assert "secret" not in sentence
    assert "\n" not in sentence
    assert caught.value.__cause__ is None


def test_a_file_that_cannot_be_a_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look like one" * 10)
    with pytest.raises(ConnectionFailedError, match=r"notes.txt cannot be used: file is not a database"):
        open_database(parse_url("sqlite:///notes.txt", tmp_path))
    with pytest.raises(ConnectionFailedError, match=r"the folder .*/no does not exist; create it"):
        open_database(parse_url("sqlite:///no/history.db", tmp_path))
    with pytest.raises(ConnectionFailedError, match="cannot be used: unable to open database file"):
        open_database(parse_url(f"sqlite:///{tmp_path}", tmp_path))


@pytest.mark.parametrize("shared_history", ["postgresql", "mariadb"], indirect=True)
def test_a_connection_that_the_server_closed_is_replaced(history: Engine) -> None:
    with history.connect() as first:
        number = first.scalar(text("SELECT pg_backend_pid()" if is_postgresql(history) else "SELECT CONNECTION_ID()"))
    administrator = create_engine(history.url, poolclass=NullPool)
    with administrator.connect() as connection:
        connection.execute(
            text(f"SELECT pg_terminate_backend({number})" if is_postgresql(history) else f"KILL {number}")
        )
    with history.connect() as second:
        assert second.scalar(text("SELECT 1")) == 1


def is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"
