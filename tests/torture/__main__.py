"""``python -m tests.torture [SCENARIO...]``: run the proofs, print their counts, write them into a page."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from linecore_models.marked_page import write_marked
from tests.torture import disk_full, fuzz, isolation, kill, mutants, order, outage, scale_out, soak
from tests.torture.scenario import Counts, Scenario, page_table, terminal_table

SCENARIOS = (
    Scenario("kill", "0 frames lost, 0 rows twice, every ledger balanced", kill.parts),
    Scenario("order", "no source is told of a frame before it is on disk", order.parts),
    Scenario("mutants", "both proofs find out what was broken on purpose, and nothing else", mutants.parts),
    Scenario("outage", "0 verdicts late, 0 lost, 0 twice, order kept", outage.parts),
    Scenario("scale-out", "frames = rows = distinct ids, whoever is killed or cut off", scale_out.parts),
    Scenario("fuzz", "no crash, no hang over 1 s, no growth, each refusal with its reason", fuzz.parts),
    Scenario("disk-full", "verdicts go on, the alarm is raised, recovery is clean", disk_full.parts),
    Scenario("isolation", "p99 of verdicts and of other sinks within 10 % of undisturbed", isolation.parts),
    Scenario("soak", "80 % of capacity: memory, threads and descriptors flat, queues bounded", soak.parts),
)

WIDTH = 100


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--quick", is_flag=True, help="Short versions: minutes in place of hours.")
@click.option("--seed", default=0, show_default=True, help="Of what is left to chance.")
@click.option("--page", type=click.Path(path_type=Path), help="Markdown page to write the counts into.")
def torture(names: tuple[str, ...], quick: bool, seed: int, page: Path | None) -> None:
    """Run proofs by fault injection (default: all), and end with exit code 1 where one does not hold."""
    known = {one.name: one for one in SCENARIOS}
    if unknown := set(names) - set(known):
        raise click.UsageError(f"there is no proof {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    console = Console(width=min(WIDTH, Console().width) if sys.stdout.isatty() else WIDTH)
    complete = True
    for name in names or known:
        found, whole = _run(known[name], quick, seed, console)
        complete = complete and whole and all(one.holds for one in found)
        if found:
            console.print(f"[bold]{name}[/]: {known[name].demand}", highlight=False)
            console.print(terminal_table(found))
        if found and page:
            write_marked(page, f"make torture: {name}", f"{_origin(name, quick, seed)}\n\n{page_table(found)}")
    sys.exit(0 if complete else 1)


def _run(scenario: Scenario, quick: bool, seed: int, console: Console) -> tuple[Sequence[Counts], bool]:
    """Run the parts of one proof below a bar; return their counts, and False where a part broke off.

    A part that this machine has not the means for is told, and proves nothing.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found: list[Counts] = []
    whole = True
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(scenario.name, total=None)

        def progress(done: int, of: int, what: str) -> None:
            bar.update(task, completed=done, total=of, description=f"{scenario.name}: {what}")

        for part in scenario.parts(quick, seed, progress):
            try:
                found.append(part())
            except pytest.skip.Exception as reason:
                console.print(f"{scenario.name}: skipped: {reason}", style="yellow")
            except AssertionError as error:
                console.print(f"{scenario.name}: broke off: {error}", style="bold red")
                whole = False
    return found, whole


def _origin(name: str, quick: bool, seed: int) -> str:
    """Return a sentence of where the counts come from: command, day, machine."""
    command = f"python -m tests.torture {name}{' --quick' if quick else ''}{f' --seed {seed}' if seed else ''}"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}, SQLite {sqlite3.sqlite_version}:"


if __name__ == "__main__":
    torture()
