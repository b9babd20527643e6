"""The product, broken on purpose: a proof that these pass proves nothing.

``python -m tests.torture.mutant NAME serve LINE.toml`` is ``linecore serve LINE.toml`` with one promise broken. Each
mutant takes hold of the product by name, and fails loudly where that name is gone.
"""

from __future__ import annotations

import sqlite3
import sqlite3.dbapi2
import sys
from collections.abc import Callable, Sequence
from typing import Any

from linecore.cli import main
from linecore.inspection import Inspection
from linecore.ledger import RECORDED
from linecore.line import Line
from linecore_plugins.database import DatabaseSink


def settle_first() -> None:
    """Tell the source that a frame is safe before it is."""
    complete = Line._complete

    def complete_late(self: Line, inspection: Inspection) -> None:
        self._settle(inspection.frame, RECORDED)
        complete(self, inspection)

    Line._complete = complete_late  # type: ignore[method-assign]


def never_commit() -> None:
    """Say that a batch is stored, and store it only when the line stops."""
    record, stop = DatabaseSink.record, DatabaseSink.stop
    held: list[Inspection] = []

    def record_late(self: DatabaseSink, inspections: Sequence[Inspection]) -> None:
        held.extend(inspections)

    def stop_late(self: DatabaseSink) -> None:
        record(self, held)
        stop(self)

    _replace(DatabaseSink, "record", record_late)
    _replace(DatabaseSink, "stop", stop_late)


def no_sync() -> None:
    """Leave out what makes SQLite wait for the disk."""
    connect = sqlite3.connect

    class Careless(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if "PRAGMA synchronous" in statement:
                statement = "PRAGMA synchronous = OFF"
            return super().execute(statement, *values)

    def connect_careless(*arguments: Any, **options: Any) -> sqlite3.Connection:
        careless: sqlite3.Connection = connect(*arguments, **{**options, "factory": Careless})
        return careless

    sqlite3.connect = sqlite3.dbapi2.connect = connect_careless  # type: ignore[assignment]


def _replace(cls: type, hook: str, function: Callable[..., None]) -> None:
    """Put *function* in the place of a hook, with the mark by which pluggy knows it."""
    function.linecore_impl = getattr(cls, hook).linecore_impl  # type: ignore[attr-defined]
    setattr(cls, hook, function)


MUTANTS: dict[str, Callable[[], None]] = {
    "settle-first": settle_first,
    "never-commit": never_commit,
    "no-sync": no_sync,
}


def program(name: str) -> tuple[str, ...]:
    """Return what follows ``python`` to run a mutant."""
    return ("-m", "tests.torture.mutant", name)


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    main()
