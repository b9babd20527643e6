"""The product, broken on purpose: a proof that these pass proves nothing.

``python -m tests.torture.mutant NAME serve LINE.toml`` is ``linecore serve LINE.toml`` with one promise broken. Each
mutant takes hold of the product by name, and fails loudly where that name is gone. Names may be joined by ``+``:
``slow-disk`` breaks nothing, and gives a kill more time to strike between two steps.
"""

from __future__ import annotations

import sqlite3
import sqlite3.dbapi2
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

from linecore.cli import main
from linecore.journal import Journal
from linecore.journal_file import JournalFile
from linecore.packing import Delivery

COMMIT_S = 0.05  # of a slow disk: an SD card that is busy


def slow_disk() -> None:
    """Let the journal wait for its disk: not a mutant, but a machine."""
    transaction = JournalFile.transaction

    @contextmanager
    def slow(self: JournalFile) -> Iterator[None]:
        with transaction(self):
            yield
            Flag().wait(COMMIT_S)

    JournalFile.transaction = slow  # type: ignore[method-assign]


def settle_first() -> None:
    """Tell the source that a frame is safe before it is."""
    append = Journal.append

    def append_late(self: Journal, delivery: Delivery, **options: Any) -> None:
        if options.get("arrival") is not None:
            self._settle(options["arrival"])
        append(self, delivery, **options)

    Journal.append = append_late  # type: ignore[method-assign]


def never_commit() -> None:
    """Write the journal, and commit it only when the line stops."""
    close = JournalFile.close

    @contextmanager
    def uncommitted(self: JournalFile) -> Iterator[None]:
        with self._lock:
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            yield

    def close_late(self: JournalFile) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        close(self)

    JournalFile.transaction = uncommitted  # type: ignore[method-assign]
    JournalFile.close = close_late  # type: ignore[method-assign]


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


MUTANTS: dict[str, Callable[[], None]] = {
    "slow-disk": slow_disk,
    "settle-first": settle_first,
    "never-commit": never_commit,
    "no-sync": no_sync,
}


def program(name: str) -> tuple[str, ...]:
    """Return what follows ``python`` to run a mutant."""
    return ("-m", "tests.torture.mutant", name)


if __name__ == "__main__":
    for name in sys.argv.pop(1).split("+"):
        MUTANTS[name]()
    main()
