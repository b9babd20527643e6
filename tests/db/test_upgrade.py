from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from linecore.errors import ConnectionFailedError
from linecore_db.schema import Base
from linecore_db.session import open_database
from linecore_db.upgrade import VERSION_TABLE, latest_version, prepare_schema, require_schema, upgrade_schema
from linecore_db.urls import parse_url

T = TypeVar("T")


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
    monkeypatch.setattr("linecore_db.upgrade.MIGRATIONS", with_a_second_migration(tmp_path / "100% migrations"))
    for attempt in (require_schema, prepare_schema):
        with pytest.raises(ConnectionFailedError, match="older linecore .* run: linecore db upgrade sqlite:///"):
            attempt(sqlite_history)
    assert upgrade_schema(sqlite_history) == ("0001", "0002")
    assert inspect(sqlite_history).has_table("later")


def test_a_migration_that_fails_leaves_nothing_behind(
    sqlite_history: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_a_second_migration(tmp_path / "migrations", "op.execute('nonsense')")
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


def with_a_second_migration(folder: Path, then: str = "") -> Path:
    shipped = Path(__file__).parents[2] / "db" / "linecore_db" / "migrations"
    (folder / "versions").mkdir(parents=True)
    for file in ("env.py", "versions/v0001_history.py"):
        (folder / file).write_bytes((shipped / file).read_bytes())
    (folder / "versions" / "v0002_later.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        "revision, down_revision = '0002', '0001'\n"
        f"def upgrade():\n    op.create_table('later', sa.Column('x', sa.Integer))\n    {then}\n"
    )
    return folder
