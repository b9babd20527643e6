from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, bindparam, inspect, select, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from linecore.errors import ConnectionFailedError
from linecore_db.columns import UtcDateTime
from linecore_db.queries import Count, HistoryFilter, count, find
from linecore_db.schema import Base, TallyRow
from linecore_db.session import open_database
from linecore_db.upgrade import VERSION_TABLE, latest_version, prepare_schema, require_schema, upgrade_schema
from linecore_db.urls import parse_url

T = TypeVar("T")
SHIPPED = Path(__file__).parents[2] / "db" / "linecore_db" / "migrations"


def set_version(engine: Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :version"), {"version": version})


def test_the_migrations_make_the_tables_that_the_schema_says(migrated: Engine) -> None:
    with migrated.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_make_the_same_indexes_and_keys_as_the_schema(migrated: Engine) -> None:
    def keys(engine: Engine) -> dict[str, object]:
        return {
            table: (
                sorted(_words(index) for index in inspect(engine).get_indexes(table)),
                inspect(engine).get_pk_constraint(table),
                inspect(engine).get_foreign_keys(table),
                inspect(engine).get_table_options(table),
            )
            for table in Base.metadata.tables
        }

    by_migrations = keys(migrated)
    Base.metadata.drop_all(migrated)
    Base.metadata.create_all(migrated)
    assert keys(migrated) == by_migrations


def _words(index: ReflectedIndex) -> str:
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {options}"


def test_upgrading_twice_changes_nothing(empty: Engine) -> None:
    assert upgrade_schema(empty) == (None, latest_version())
    assert upgrade_schema(empty) == (latest_version(), latest_version())
    require_schema(empty)


def test_an_empty_database_is_prepared(empty: Engine) -> None:
    with pytest.raises(ConnectionFailedError, match="holds no history yet"):
        require_schema(empty)
    prepare_schema(empty)
    require_schema(empty)


def test_a_newer_schema_is_left_alone(migrated: Engine) -> None:
    set_version(migrated, "9999")
    for attempt in (require_schema, prepare_schema, upgrade_schema):
        with pytest.raises(ConnectionFailedError, match=r"newer linecore \(its schema is 9999, .*\); update linecore"):
            attempt(migrated)


def test_an_older_schema_is_upgraded_by_a_person(
    sqlite_history: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = latest_version()
    monkeypatch.setattr("linecore_db.upgrade.MIGRATIONS", with_one_more_migration(tmp_path / "100% migrations"))
    for attempt in (require_schema, prepare_schema):
        with pytest.raises(ConnectionFailedError, match="older linecore .* run: linecore db upgrade sqlite:///"):
            attempt(sqlite_history)
    assert upgrade_schema(sqlite_history) == (shipped, "9998")
    assert inspect(sqlite_history).has_table("later")


def test_a_migration_that_fails_leaves_nothing_behind(
    sqlite_history: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_one_more_migration(tmp_path / "migrations", "op.execute('nonsense')")
    monkeypatch.setattr("linecore_db.upgrade.MIGRATIONS", folder)
    with pytest.raises(ConnectionFailedError, match="cannot be used: near .nonsense.: syntax error"):
        upgrade_schema(sqlite_history)
    assert not inspect(sqlite_history).has_table("later")


def test_tables_of_another_program_are_left_alone(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE alarm (x INTEGER)"))
    for attempt in (prepare_schema, upgrade_schema):
        with pytest.raises(ConnectionFailedError, match="tables that linecore did not finish: alarm; drop them"):
            attempt(empty)


def test_of_several_that_upgrade_together_one_works(database_url: str) -> None:
    outcomes = together(database_url, upgrade_schema)
    assert outcomes.count((None, latest_version())) == 1
    assert outcomes.count((latest_version(), latest_version())) == 3


def test_lines_that_start_together_find_their_tables(database_url: str) -> None:
    assert together(database_url, prepare_schema) == [None] * 4


def together(url: str, do: Callable[[Engine], T]) -> list[T]:
    """Open the same database four times at once and do the same with each."""

    def one(start: Barrier) -> T:
        start.wait(10)
        engine = open_database(parse_url(url))
        try:
            return do(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(one, [Barrier(4)] * 4))


def with_one_more_migration(folder: Path, then: str = "") -> Path:
    (folder / "versions").mkdir(parents=True)
    for file in ("env.py", *(f"versions/{path.name}" for path in SHIPPED.glob("versions/v*.py"))):
        (folder / file).write_bytes((SHIPPED / file).read_bytes())
    (folder / "versions" / "v9998_later.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        f"revision, down_revision = '9998', '{latest_version()}'\n"
        f"def upgrade():\n    op.create_table('later', sa.Column('x', sa.Integer))\n    {then}\n"
    )
    return folder


def the_first_release(folder: Path) -> Path:
    """Return the migrations of the release that knew the first schema alone."""
    (folder / "versions").mkdir(parents=True)
    for file in ("env.py", "versions/v0001_history.py"):
        (folder / file).write_bytes((SHIPPED / file).read_bytes())
    return folder


def test_an_upgrade_counts_what_is_there(empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as first_release:
        first_release.setattr("linecore_db.upgrade.MIGRATIONS", the_first_release(tmp_path / "first"))
        upgrade_schema(empty)
    now = text(
        "INSERT INTO inspection (frame_id, line, source, sequence, captured_at, completed_at, decision, label, scores,"
        " config_hash) VALUES (:id, :line, 's', 1, :at, :at, :decision, :label, '{}', '')"
    ).bindparams(bindparam("at", type_=UtcDateTime()))
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    written = [
        (noon, "a", "PASS", "ok"),
        (noon + timedelta(minutes=59, seconds=59, microseconds=999_999), "a", "PASS", "ok"),
        (noon + timedelta(hours=1), "a", "PASS", "ok"),
        (noon, "b", "FAIL", "scratches"),
        (noon, "b", "NO_RESULT", None),
        (noon, "b", "NO_RESULT", ""),
    ]
    keys = ("at", "line", "decision", "label")
    with empty.begin() as connection:
        connection.execute(now, [{"id": str(n), **dict(zip(keys, row, strict=True))} for n, row in enumerate(written)])
    assert upgrade_schema(empty) == ("0001", latest_version())
    with empty.connect() as connection:
        tally = connection.execute(select(TallyRow.__table__).order_by(TallyRow.line, TallyRow.decision, TallyRow.hour))
        assert [tuple(row) for row in tally] == [
            ("a", noon, "PASS", "ok", 2),
            ("a", noon + timedelta(hours=1), "PASS", "ok", 1),
            ("b", noon, "FAIL", "scratches", 1),
            ("b", noon, "NO_RESULT", "", 2),
        ]
    assert Count("NO_RESULT", None, 2) in count(empty, HistoryFilter())
    (first,) = find(empty, HistoryFilter(frame_id="0"))
    assert (first.buffered, first.late_decision) == (False, None)
