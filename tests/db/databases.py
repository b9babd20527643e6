"""Fresh, empty databases for tests: a file, a schema of PostgreSQL's, a database of MariaDB's; gone afterwards."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import URL, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tests.conftest import skip_or_fail

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = {
    "postgresql": make_url(
        os.environ.get("LINECORE_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1/test?connect_timeout=5")
    ),
    "mariadb": make_url(os.environ.get("LINECORE_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1/test")),
}


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database; skip where its server cannot be reached, or fail on CI."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'history.db'}"
        return
    server = SERVERS[kind]
    if problem := _unreachable(server):
        skip_or_fail(f"no {kind} at {server}: {problem}")
    name = f"linecore_{uuid.uuid4().hex}"
    if kind == "postgresql":
        _execute(server, f"CREATE SCHEMA {name}")
        url = server.update_query_dict({"options": f"-csearch_path={name}"}).set(drivername="postgresql")
        undo = f"DROP SCHEMA {name} CASCADE"
    else:
        _execute(server, f"CREATE DATABASE {name}")
        url = server.set(drivername="mariadb", database=name)
        undo = f"DROP DATABASE {name}"
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        _execute(server, undo)


def _execute(server: URL, statement: str) -> None:
    engine = create_engine(server, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))


@cache
def _unreachable(server: URL) -> str:
    try:
        _execute(server, "SELECT 1")
    except SQLAlchemyError as error:
        return str(error).splitlines()[0]
    return ""
