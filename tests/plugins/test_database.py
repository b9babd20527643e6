import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

import linecore_plugins.database
from linecore.alarms import Alarm, AlarmRule, AlarmState, Priority
from linecore.config import PluginTable, parse_config
from linecore.errors import ConfigError, ConnectionFailedError
from linecore.events import FrameDropped, LineStarted
from linecore.inspection import Decision
from linecore.line import Line
from linecore.plugins import create_plugin
from linecore.testing import Always, Images, grey, make_line, run
from linecore_db.queries import HistoryFilter, find
from linecore_db.schema import AlarmChangeRow, AlarmRow, DroppedFrameRow
from linecore_db.session import open_database
from linecore_db.upgrade import VERSION_TABLE
from linecore_db.urls import parse_url
from linecore_plugins.database import DatabaseSink
from tests.db.databases import KINDS, fresh_database
from tests.db.inspections import NOON, inspection


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'history.db'}"


def sink(url: str) -> DatabaseSink:
    return DatabaseSink(DatabaseSink.Config(url=parse_url(url)))


def started(url: str) -> tuple[DatabaseSink, Line]:
    plugin = sink(url)
    line = make_line({"frames": Images([]), "judge": Always(), "history": plugin})
    plugin.start(line)
    return plugin, line


@contextmanager
def reading(url: str) -> Iterator[Session]:
    """The database as another program sees it."""
    engine = open_database(parse_url(url))
    with Session(engine) as session:
        yield session
    engine.dispose()


def frame_ids(url: str) -> list[str]:
    engine = open_database(parse_url(url), read_only=True)
    try:
        return [row.frame_id for row in find(engine, HistoryFilter(), oldest_first=True)]
    finally:
        engine.dispose()


def test_a_line_fills_an_empty_database_and_a_second_run_adds_nothing(database_url: str) -> None:
    keys = [f"{number:03d}.jpg" for number in range(150)]
    for _ in range(2):
        source = Images([grey()] * len(keys), keys)
        balance = run(make_line({"folder": source, "judge": Always("scratches"), "history": sink(database_url)}))
        assert (balance.recorded, balance.in_flight, dict(balance.dropped)) == (150, 0, {})
        assert all(outcome.recorded for outcome in source.settled.values())
    assert sorted(frame_ids(database_url)) == [f"test/folder/{key}" for key in keys]


def test_it_promises_safety() -> None:
    assert DatabaseSink.durable


def test_an_alarm_and_its_end_are_kept(database_url: str) -> None:
    rule = AlarmRule(name="burst", decisions=(Decision.FAIL,), count=2, of=3, priority=Priority.HIGH)
    plugins = {"folder": Images([grey()] * 5), "judge": Always("scratches"), "history": sink(database_url)}
    run(make_line(plugins, alarms=[rule]))
    with reading(database_url) as session:
        (alarm,) = session.scalars(select(AlarmRow)).all()
        assert (alarm.name, alarm.priority, alarm.state) == ("burst", "high", "cleared")
        changes = session.scalars(select(AlarmChangeRow).order_by(AlarmChangeRow.changed_at, AlarmChangeRow.id)).all()
        assert [change.state for change in changes] == ["raised", "cleared"]


def test_a_restart_clears_what_a_crash_left_raised(sqlite_url: str) -> None:
    crashed, _ = started(sqlite_url)
    raised = Alarm("1", "test", "burst", Priority.LOW, AlarmState.RAISED, "2 of 3", NOON, NOON)
    crashed.notify(raised)
    crashed.notify(replace(raised, id="2", line="another line"))
    again, line = started(sqlite_url)
    with reading(sqlite_url) as session:  # whoever only checks the line must leave them alone
        assert set(session.execute(select(AlarmRow.state)).scalars()) == {"raised"}
    line.bus.publish(LineStarted("test", NOON))
    with reading(sqlite_url) as session:
        states = session.execute(select(AlarmRow.id, AlarmRow.state).order_by(AlarmRow.id)).all()
        assert [tuple(row) for row in states] == [("1", "cleared"), ("2", "raised")]
        (change,) = session.scalars(select(AlarmChangeRow).where(AlarmChangeRow.state == "cleared"))
        assert (change.changed_by, change.note) == ("linecore", "line restarted")
        assert change.changed_at <= line.clock.now()
    for plugin in (crashed, again):
        plugin.stop()


def test_drops_are_written_with_the_next_batch_and_the_rest_at_the_end(sqlite_url: str) -> None:
    plugin, line = started(sqlite_url)
    line.bus.publish(FrameDropped(inspection(1).frame, "overtaken by a newer frame"))
    plugin.record([inspection(0)])
    with reading(sqlite_url) as session:
        (drop,) = session.scalars(select(DroppedFrameRow)).all()
        assert (drop.frame_id, drop.reason) == ("hot-strip-1/camera/0001.jpg", "overtaken by a newer frame")
        assert drop.captured_at == inspection(1).frame.captured_at
    line.bus.publish(FrameDropped(inspection(2).frame, "late"))
    plugin.stop()
    line.bus.publish(FrameDropped(inspection(3).frame, "nobody listens any more"))
    with reading(sqlite_url) as session:
        assert session.scalars(select(DroppedFrameRow.sequence).order_by(DroppedFrameRow.id)).all() == [1, 2]
    assert line.bus.failures == 0


def test_drops_that_come_too_fast_are_counted(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(linecore_plugins.database, "DROPS_WAITING", 2500)
    plugin, line = started(sqlite_url)
    event = FrameDropped(inspection(1).frame, "late")
    for number in range(2600):
        line.bus.publish(replace(event, frame=replace(event.frame, id=str(number))))
    assert plugin.drops_lost == 100
    with caplog.at_level(logging.WARNING):
        plugin.stop()
    assert "100 dropped frames are not in the history" in caplog.text
    with reading(sqlite_url) as session:
        assert session.scalar(select(func.count()).select_from(DroppedFrameRow)) == 2500


def test_a_batch_that_fails_is_one_sentence_and_comes_again(database_url: str) -> None:
    plugin, line = started(database_url)
    line.bus.publish(FrameDropped(inspection(9).frame, "late"))
    with reading(database_url) as session:
        session.execute(text("ALTER TABLE evidence RENAME TO mislaid"))
        session.commit()
    with pytest.raises(ConnectionFailedError, match="^the database .* cannot be used: .*evidence.*$") as caught:
        plugin.record([inspection(0), inspection(1)])
    assert "INSERT" not in str(caught.value)
    with reading(database_url) as session:
        session.execute(text("ALTER TABLE mislaid RENAME TO evidence"))
        session.commit()
    plugin.record([inspection(0), inspection(1)])
    plugin.stop()
    assert len(frame_ids(database_url)) == 2
    with reading(database_url) as session:
        assert session.scalars(select(DroppedFrameRow.sequence)).all() == [9]


def test_a_line_does_not_start_on_a_database_that_it_cannot_use(sqlite_url: str) -> None:
    plugin, _ = started(sqlite_url)
    plugin.stop()
    with reading(sqlite_url) as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        session.commit()
    line = make_line({"frames": Images([]), "judge": Always(), "history": sink(sqlite_url)})
    with pytest.raises(ConnectionFailedError, match="newer linecore"):
        line.start()
    line = make_line({"frames": Images([]), "judge": Always(), "history": sink("sqlite:////nowhere/history.db")})
    with pytest.raises(ConnectionFailedError, match="the folder /nowhere does not exist"):
        line.start()


def test_its_table_in_line_toml(tmp_path: Path) -> None:
    def created(table: str) -> object:
        content = f'[line]\nname = "one"\n[plugins.database]\n{table}\n'
        config = parse_config(content.encode(), tmp_path / "line.toml", {"SECRET": "hunter2"})
        (plugin,) = config.plugins
        assert isinstance(plugin, PluginTable)
        return create_plugin(plugin, config)

    assert isinstance(created('url = "sqlite:///history.db"'), DatabaseSink)
    with pytest.raises(ConfigError, match=r"line.toml: plugins.database.url is missing"):
        created("")
    with pytest.raises(
        ConfigError, match=r"plugins.database.url is 'history.db'; it must be like sqlite:///history.db"
    ):
        created('url = "history.db"')
    with pytest.raises(ConfigError, match=r"plugins.database.url is 'nosuch://u:\S+@h/db'; it must be like") as caught:
        created('url = "nosuch://u:${SECRET}@h/db"')
    assert "hunter2" not in str(caught.value)
