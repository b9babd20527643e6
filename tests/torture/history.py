"""``make bench-history``: ten million inspections in SQLite and in PostgreSQL, asked and purged beside a line.

What is asked goes through the functions that `linecore history` uses. Cold means that the file's pages were dropped
from memory just before, and that PostgreSQL was started anew; warm means another line, week or frame each time, of a
database that has been asked before.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import click

from linecore_models.marked_page import write_marked
from tests.torture.asking import COLD, WARM, Times, measured, plans
from tests.torture.filled import postgresql_database, sqlite_database
from tests.torture.filling import DAYS, LINES
from tests.torture.purging import FRAMES_A_WRITE, WRITES_A_SECOND, Purge, purge_beside_a_line

LIMIT_MS = 100.0


def table(name: str, times: Sequence[Times]) -> str:
    """Return what was measured as a table of Markdown."""
    head = f"| {name} | cold: median | worst of {COLD} | warm: median | worst of {WARM} |"
    lines = [head, "| --- " + "| ---: " * 4 + "|"]
    for each in times:
        figures = (median(each.cold), max(each.cold), median(each.warm), max(each.warm))
        lines.append(f"| {each.what} | " + " | ".join(f"{figure:.1f} ms" for figure in figures) + " |")
    return "\n".join(lines)


def sentence(name: str, purge: Purge) -> str:
    """Return what a purge did, and to whom."""
    quiet, beside = purge.undisturbed, purge.beside_it
    return (
        f"{name}: `linecore db purge` let {purge.rows:,} inspections and {purge.files:,} files go in "
        f"{purge.took_s:.0f} s ({purge.rows / purge.took_s:,.0f} rows a second); its longest transaction took "
        f"{purge.longest_lock_ms:.0f} ms. Meanwhile a line recorded {FRAMES_A_WRITE} frames {WRITES_A_SECOND} times a "
        f"second: median {median(beside):.1f} ms, 99th percentile {percentile_99(beside):.0f} ms, worst "
        f"{max(beside):.0f} ms of {len(beside):,}; before, undisturbed: {median(quiet):.1f} ms, "
        f"{percentile_99(quiet):.0f} ms, {max(quiet):.0f} ms of {len(quiet):,}."
    )


def percentile_99(values: Sequence[float]) -> float:
    """Return what one in a hundred exceeds."""
    return quantiles(values, n=100, method="inclusive")[-1]


@click.command()
@click.option("--rows", default=10_000_000, show_default=True, help="Inspections in each database.")
@click.option("--purge-days", default=10, show_default=True, help="Days, the oldest, that a purge lets go.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="Where the databases lie meanwhile.")
@click.option("--page", type=click.Path(path_type=Path), help="Markdown page to write the figures into.")
def bench(rows: int, purge_days: int, folder: Path | None, page: Path | None) -> None:
    """Fill, ask and purge a history in SQLite and PostgreSQL; both are gone afterwards."""
    parts: list[str] = []
    slow: list[str] = []
    for made in (sqlite_database, postgresql_database):
        with tempfile.TemporaryDirectory(dir=folder) as work:
            Path(work).chmod(0o755)  # PostgreSQL runs as a user of its own
            began = time.monotonic()
            with made(Path(work), rows) as database:
                click.echo(f"{database.name}: {rows:,} rows in {time.monotonic() - began:.0f} s")
                for what, plan in plans(database).items():
                    click.echo(f"\n{what}:\n{plan}")
                times = measured(database)
                click.echo(f"\n{table(database.name, times)}\n")
                purged = sentence(database.name, purge_beside_a_line(database, purge_days))
                click.echo(f"{purged}\n")
                parts += [table(database.name, times), purged]
                slow += [f"{database.name}, {each.what}" for each in times if max(each.cold + each.warm) > LIMIT_MS]
    load = f"{os.cpu_count()} cores of {platform.machine()} with a load of {os.getloadavg()[2]:.1f} beside and with it"
    head = f"{rows:,} inspections of {DAYS} days and {LINES} lines; {load}."
    if page:
        write_marked(page, "make bench-history", "\n\n".join([head, *parts]))
    if slow:
        raise click.ClickException(f"not always within {LIMIT_MS:.0f} ms: {'; '.join(slow)}")


if __name__ == "__main__":
    bench()
