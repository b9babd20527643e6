"""The sink beside servers that fall over, hang, and hand over to another: an outage is told, and nothing is lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from linecore.errors import ConnectionFailedError
from linecore.inspection import Inspection
from linecore_db.queries import HistoryFilter, find
from linecore_db.session import open_database
from linecore_db.urls import parse_url
from linecore_plugins.database import DatabaseSink
from tests.db.databases import fresh_database
from tests.db.inspections import inspection
from tests.db.private_postgresql import PrivatePostgresql, private_postgresql

SOON_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgresql]:
    """A server that a test may stop; it runs again when the next test begins."""
    with private_postgresql() as server:
        yield server


@contextmanager
def sink(url: str) -> Iterator[DatabaseSink]:
    plugin = DatabaseSink(DatabaseSink.Config(url=parse_url(url)))
    plugin.start()
    yield plugin
    plugin.stop()


def engine_of(plugin: DatabaseSink) -> Engine:
    assert plugin._engine is not None
    return plugin._engine


def recorded_at_last(plugin: DatabaseSink, batch: list[Inspection]) -> None:
    """Offer a batch until it is taken, as a lane does."""
    until = time.monotonic() + SOON_S
    while True:
        try:
            return plugin.record(batch)
        except ConnectionFailedError:
            if time.monotonic() > until:
                raise


def sequences(url: str) -> list[int]:
    engine = open_database(parse_url(url), read_only=True)
    found = [row.sequence for row in find(engine, HistoryFilter(), oldest_first=True)]
    engine.dispose()
    return found


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_connection_that_ends_amid_a_batch_is_an_outage(kind: str, tmp_path: Path) -> None:
    with fresh_database(kind, tmp_path) as url, sink(url) as plugin:
        administrator = create_engine(parse_url(url), poolclass=NullPool)
        kills: list[object] = []

        @event.listens_for(engine_of(plugin), "before_cursor_execute")
        def kill(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if "INTO region" in statement and not kills:
                who = "SELECT pg_backend_pid()" if kind == "postgresql" else "SELECT CONNECTION_ID()"
                kills.append(connection.exec_driver_sql(who).scalar())
                end = f"SELECT pg_terminate_backend({kills[0]}, 5000)" if kind == "postgresql" else f"KILL {kills[0]}"
                with administrator.begin() as other:
                    other.execute(text(end))

        with pytest.raises(ConnectionFailedError, match="cannot be used") as caught:
            plugin.record([inspection(0), inspection(1)])
        assert kills
        assert "\n" not in str(caught.value)
        assert sequences(url) == []
        plugin.record([inspection(0), inspection(1)])
        assert sequences(url) == [0, 1]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_stopped_and_started_loses_nothing(server: PrivatePostgresql, mode: str) -> None:
    """Immediate is a crash: what was committed before it is there after it."""
    with own_schema(server, f"stopped_{mode}") as url, sink(url) as plugin:
        plugin.record([inspection(0)])
        server.stop(mode)
        for _ in range(3):
            with pytest.raises(ConnectionFailedError, match="cannot be used"):
                plugin.record([inspection(1)])
        server.start()
        recorded_at_last(plugin, [inspection(1)])
        plugin.record([inspection(2)])
        assert sequences(url) == [0, 1, 2]


def test_a_server_that_hangs_ends_the_turn(server: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel goes on acknowledging, so that no time-out of TCP would notice."""
    monkeypatch.setattr("linecore_plugins.database.ANSWER_S", 0.5)
    with own_schema(server, "hanging") as url, sink(url) as plugin:
        plugin.record([inspection(0)])
        server.hang()
        try:
            began = time.monotonic()
            with pytest.raises(ConnectionFailedError, match="timeout expired"):  # the old connection, and a new one
                plugin.record([inspection(1)])
            assert time.monotonic() - began < SOON_S
        finally:
            server.go_on()
        recorded_at_last(plugin, [inspection(1)])
        assert sequences(url) == [0, 1]


def test_a_server_that_hangs_amid_a_batch_ends_the_turn(
    server: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linecore_plugins.database.ANSWER_S", 0.5)
    with own_schema(server, "amid") as url, sink(url) as plugin:
        hung: list[bool] = []

        @event.listens_for(engine_of(plugin), "before_cursor_execute")
        def hang(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if "INTO region" in statement and not hung:
                server.hang()
                hung.append(True)

        try:
            with pytest.raises(ConnectionFailedError, match="the server has not answered for 0.5 s"):
                plugin.record([inspection(0), inspection(1)])
        finally:
            server.go_on()
        recorded_at_last(plugin, [inspection(0), inspection(1)])
        assert sequences(url) == [0, 1]


def test_a_server_without_room_for_one_more_is_an_outage(server: PrivatePostgresql) -> None:
    with own_schema(server, "crowded") as url, sink(url) as plugin:
        administrator = create_engine(parse_url(url), poolclass=NullPool)
        engine_of(plugin).dispose()
        others: list[Connection] = []
        with suppress(Exception):
            while len(others) < 200:
                others.append(administrator.connect())
        assert 0 < len(others) < 200
        with pytest.raises(ConnectionFailedError, match="too many|remaining connection slots"):
            plugin.record([inspection(0)])
        for other in others:
            other.close()
        recorded_at_last(plugin, [inspection(0)])
        assert sequences(url) == [0]


def test_a_standby_hands_over_to_the_server_that_writes(server: PrivatePostgresql) -> None:
    """A server that becomes read-only, as one that was demoted, is left for the other host of the URL."""
    with private_postgresql() as successor:
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{successor.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        with sink(successor.url) as plugin:  # replication would have brought the tables
            plugin.record([inspection(0)])
        with sink(url) as plugin:
            plugin.record([inspection(0)])
            assert sequences(server.url) == [0]
            read_only(server, "on")
            with pytest.raises(ConnectionFailedError, match="read-only transaction"):
                plugin.record([inspection(1)])
            plugin.record([inspection(1)])
            assert sequences(successor.url) == [0, 1]
            read_only(server, "off")
            server.stop("immediate")  # a host that is dead is passed over too
            engine_of(plugin).dispose()
            plugin.record([inspection(2)])
            assert sequences(successor.url) == [0, 1, 2]
            server.start()


def read_only(server: PrivatePostgresql, state: str) -> None:
    engine = create_engine(parse_url(server.url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Said in the session too: what it begins with would otherwise forbid to change it back.
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(f"ALTER SYSTEM SET default_transaction_read_only = {state}"))
        connection.execute(text("SELECT pg_reload_conf()"))
    waiting = create_engine(parse_url(server.url), poolclass=NullPool)
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        with waiting.connect() as connection:
            if connection.scalar(text("SHOW default_transaction_read_only")) == state:
                return
    raise AssertionError("the server does not read its configuration")


@contextmanager
def own_schema(server: PrivatePostgresql, name: str) -> Iterator[str]:
    """Give the URL of an empty schema of a server."""
    engine = create_engine(parse_url(server.url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    yield f"{server.url}?options=-csearch_path%3D{name}"
