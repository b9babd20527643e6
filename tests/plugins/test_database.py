from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from linecore.alarms import Alarm, AlarmRule, AlarmState, Priority
from linecore.config import PluginTable, parse_config
from linecore.errors import ConfigError, ConnectionFailedError, RefusedError
from linecore.inspection import Decision
from linecore.line import Line
from linecore.log import DROPPED, STARTED, LogEntry
from linecore.plugins import create_plugin
from linecore.testing import Always, Images, grey, make_line, run
from linecore_db.queries import HistoryFilter, find
from linecore_db.schema import AlarmChangeRow, AlarmRow, Detail, DroppedFrameRow, LogRow
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
    plugin.start()
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


def test_it_looks_at_no_pixels() -> None:
    assert not DatabaseSink.pixels


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
    again.log([LogEntry("0", "test", NOON, STARTED, "the line started")])
    with reading(sqlite_url) as session:
        states = session.execute(select(AlarmRow.id, AlarmRow.state).order_by(AlarmRow.id)).all()
        assert [tuple(row) for row in states] == [("1", "cleared"), ("2", "raised")]
        (change,) = session.scalars(select(AlarmChangeRow).where(AlarmChangeRow.state == "cleared"))
        assert (change.changed_by, change.note) == ("linecore", "line restarted")
        assert change.changed_at <= line.clock.now()
    for plugin in (crashed, again):
        plugin.stop()


def test_what_happened_to_the_line_is_kept(database_url: str) -> None:
    plugin, _ = started(database_url)
    detail: Detail = {"frame_id": "test/camera/1", "sequence": 1, "captured_at": NOON.isoformat(), "reason": "late"}
    entries = [
        LogEntry("1", "test", NOON, DROPPED, "test/camera/1 was dropped: late", "camera", detail),
        LogEntry("2", "test", NOON, "config changed", "reloaded", None, {"hash": "ab"}),
    ]
    for _ in range(2):
        plugin.log(entries)
    plugin.stop()
    with reading(database_url) as session:
        assert session.scalars(select(DroppedFrameRow.reason)).all() == ["late"]
        assert session.scalars(select(LogRow.kind)).all() == ["config changed"]


def test_a_batch_that_fails_is_one_sentence_and_comes_again(database_url: str) -> None:
    plugin, _ = started(database_url)
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


def test_a_row_that_is_never_taken_is_refused_and_the_next_is_stored(database_url: str) -> None:
    """Whoever delivers gives up this row alone: it is no outage."""
    plugin, _ = started(database_url)
    absurd = inspection(0)
    absurd = replace(absurd, frame=replace(absurd.frame, sequence=2**70))
    with pytest.raises((RefusedError, OverflowError)) as caught:
        plugin.record([inspection(1), absurd])
    assert "INSERT" not in str(caught.value)
    assert frame_ids(database_url) == []
    plugin.record([inspection(1)])
    plugin.stop()
    assert frame_ids(database_url) == [inspection(1).frame.id]


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
    with pytest.raises(ConfigError, match=r"plugins.database.url is '\*\*\*'; it must be like sqlite:///history.db"):
        created('url = "history.db"')
    with pytest.raises(ConfigError, match=r"plugins.database.url is 'nosuch://u:\S+@h/db'; it must be like") as caught:
        created('url = "nosuch://u:${SECRET}@h/db"')
    assert "hunter2" not in str(caught.value)
