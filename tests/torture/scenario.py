"""What a proof is: a run that ends in counts, and a sentence of what they must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Protocol

from rich.table import Table

HOLDS, YES, NO = "holds", "yes", "NO"

Progress = Callable[[int, int, str], None]
"""Told how far a proof is: steps done, steps in all, and what it does now."""


class Counts(Protocol):
    """What a proof has counted: a frozen dataclass, a column of its table."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def holds(self) -> bool:
        """Whether these counts are what the proof demands."""
        ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """A proof by its name.

    *parts* is told whether to be quick, a seed, and whom to tell of its progress; each part is a column of the table.
    """

    name: str
    demand: str  # what the counts must show
    parts: Callable[[bool, int, Progress], Sequence[Callable[[], Counts]]]


def silent(done: int, of: int, what: str) -> None:
    """Tell nobody."""


def terminal_table(found: Sequence[Counts]) -> Table:
    """Return the counts of one proof for a terminal: a column each."""
    first, *rows = _rows(found)
    table = Table()
    table.add_column(first[0])
    for heading in first[1:]:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row, style="bold red" if row[0] == HOLDS and NO in row else "")
    return table


def page_table(found: Sequence[Counts]) -> str:
    """Return the same for a Markdown page."""
    first, *rows = _rows(found)
    lines = [first, ["---"] + ["---:"] * len(found), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(found: Sequence[Counts]) -> list[list[str]]:
    """Return a row for each thing that is counted: its name, and the count of each column."""
    rows = [
        [one.name.replace("_", " "), *(_cell(getattr(each, one.name)) for each in found)] for one in fields(found[0])
    ]
    return [*rows, [HOLDS, *(YES if each.holds else NO for each in found)]]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return YES if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
