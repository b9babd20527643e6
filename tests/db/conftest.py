from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from linecore_db.schema import Base
from linecore_db.session import open_database
from linecore_db.upgrade import upgrade_schema
from linecore_db.urls import parse_url
from tests.db.databases import KINDS, fresh_database


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """An empty database of each kind, open."""
    engine = open_database(parse_url(database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def migrated(empty: Engine) -> Engine:
    """A database of each kind with tables of its own, for a test that changes them."""
    upgrade_schema(empty)
    return empty


@pytest.fixture(params=KINDS, scope="session")
def shared_history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Tables of each kind, made once: making them anew takes a server half a second."""
    with fresh_database(request.param, tmp_path_factory.mktemp("history")) as url:
        engine = open_database(parse_url(url))
        upgrade_schema(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def history(shared_history: Engine) -> Iterator[Engine]:
    """A history of each kind without a row."""
    yield shared_history
    with shared_history.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))


@pytest.fixture
def sqlite_history(tmp_path: Path) -> Iterator[Engine]:
    """A history in SQLite without a row, for what does not depend on the database."""
    engine = open_database(parse_url("sqlite:///history.db", tmp_path))
    upgrade_schema(engine)
    yield engine
    engine.dispose()
