from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from linecore.errors import ConnectionFailedError, LinecoreError, RefusedError
from linecore_db.failures import failure
from linecore_db.recording import record
from linecore_db.session import open_database
from tests.db.inspections import inspection


def failing(engine: Engine, do: Callable[[], object]) -> LinecoreError:
    with pytest.raises(SQLAlchemyError) as caught:
        do()
    found = failure(engine.url, caught.value)
    assert "\n" not in str(found)
    assert "INSERT" not in str(found)
    return found


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


REGION = "INSERT INTO region (inspection_id, ordinal, x0, y0, x1, y1, area) VALUES ({id}, {ordinal}, 0, 0, 0, 0, 0)"
HOLD = "INSERT INTO hold (part, value, held_at, held_by) VALUES ({part}, 'L7', '2026-03-01 12:00:00', 'me')"


@pytest.mark.parametrize(
    "statement",
    [
        REGION.format(id=4711, ordinal=0),  # of no inspection
        HOLD.format(part="NULL"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused(history: Engine, statement: str) -> None:
    found = failing(history, lambda: execute(history, statement))
    assert isinstance(found, RefusedError)
    assert " refuses this: " in str(found)


@pytest.mark.parametrize("shared_history", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        HOLD.format(part=f"'{'too long ' * 30}'"),
        REGION.format(id=1, ordinal=2**40),
        HOLD.format(part="'lot'").replace("2026-03-01", "2026-13-01"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(history: Engine, statement: str) -> None:
    assert isinstance(failing(history, lambda: execute(history, statement)), RefusedError)


@pytest.mark.parametrize("shared_history", ["sqlite", "postgresql"], indirect=True)
def test_a_value_that_cannot_be_sent_is_refused(history: Engine) -> None:
    def send() -> None:
        with history.begin() as connection:
            connection.execute(text("SELECT :value"), {"value": object()})

    assert not isinstance(failing(history, send), ConnectionFailedError)


@pytest.mark.parametrize("shared_history", ["mariadb"], indirect=True)
def test_mariadb_does_not_bend_what_does_not_fit(history: Engine) -> None:
    """Passing over rows that are there must not make it lenient: the sequence would be another number."""
    batch = [inspection(0), inspection(1)]
    record(history, batch)
    absurd = replace(batch[0], frame=replace(batch[0].frame, id="absurd", sequence=2**70))
    with pytest.raises(RefusedError, match="refuses this: Out of range value for column 'sequence'"):
        record(history, [*batch, absurd])
    assert record(history, batch) == 0


def test_a_missing_table_is_for_a_person_to_mend(history: Engine) -> None:
    """The rows are not to blame: they wait."""
    assert isinstance(failing(history, lambda: execute(history, "DELETE FROM nowhere")), ConnectionFailedError)


READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


def test_a_database_that_only_reads_is_an_outage(history: Engine) -> None:
    """A standby, and a disk that was mounted read-only."""
    engine = create_engine(history.url, poolclass=NullPool)

    def write() -> None:
        with engine.connect() as connection:
            connection.execute(text(READ_ONLY[engine.dialect.name]))
            if engine.dialect.name == "mysql":
                connection.commit()
            connection.execute(text("DELETE FROM alarm"))

    assert isinstance(failing(history, write), ConnectionFailedError)


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Another writer that does not finish."""
    other = create_engine(engine.url, poolclass=NullPool)
    with other.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.execute(text("UPDATE tally SET frames = frames + 1"))
        yield


IMPATIENT = {
    "sqlite": "PRAGMA busy_timeout = 20",
    "postgresql": "SET lock_timeout = '20ms'",
    "mysql": "SET innodb_lock_wait_timeout = 1",
}


def test_a_lock_of_somebody_else_is_an_outage(history: Engine) -> None:
    record(history, [inspection(0)])
    impatient = open_database(history.url)
    with impatient.connect() as connection:
        driver = connection.connection.cursor()
        driver.execute(IMPATIENT[history.dialect.name])
        driver.close()
        connection.connection.commit()  # the pool keeps this one connection, and what was set in it
    with locked(history):
        found = failing(history, lambda: record(impatient, [inspection(1)]))
    assert isinstance(found, ConnectionFailedError)
    assert record(impatient, [inspection(1)]) == 1
    impatient.dispose()


@pytest.mark.parametrize("shared_history", ["postgresql"], indirect=True)
def test_a_statement_that_takes_too_long_for_the_server_is_an_outage(history: Engine) -> None:
    slow = ("SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)")
    assert isinstance(failing(history, lambda: execute(history, *slow)), ConnectionFailedError)


@pytest.mark.parametrize("shared_history", ["postgresql"], indirect=True)
def test_a_transaction_that_another_one_overtook_is_an_outage(history: Engine) -> None:
    record(history, [inspection(0)])
    first, second = (create_engine(history.url, isolation_level="SERIALIZABLE", poolclass=NullPool) for _ in range(2))

    def cross() -> None:
        with first.begin() as one, second.begin() as other:
            for connection in (one, other):
                connection.execute(text("SELECT sum(frames) FROM tally")).all()
            one.execute(text("UPDATE tally SET frames = frames + 1"))
            one.commit()
            other.execute(text("UPDATE tally SET frames = frames + 1"))

    assert isinstance(failing(history, cross), ConnectionFailedError)


def test_a_full_disk_is_an_outage(sqlite_history: Engine) -> None:
    with sqlite_history.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    many = [inspection(number, regions=20) for number in range(500)]
    found = failing(sqlite_history, lambda: record(sqlite_history, many))
    assert isinstance(found, ConnectionFailedError)
    assert "database or disk is full" in str(found)
