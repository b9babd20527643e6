"""``linecore status``: how a line is at this moment, or how it was left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from linecore.captured import CapturedCounts
from linecore.commands.lines import line_file, opened, read_line
from linecore.control import NotServedError, ask
from linecore.status import status_at_rest
from linecore.text import printable


@click.command(epilog="Example: linecore status line.toml --json")
@line_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(file: Path, as_json: bool) -> None:
    """Show how a line is: its ledger, its sinks, its plugins, its alarms (default: line.toml).

    Works while the line is served, and after it has ended. Exit code 1 where something is wrong: a plugin or a sink in
    trouble, a journal that cannot be written, dead letters, a ledger that does not balance.
    """
    config, folder = read_line(file)
    try:
        found = cast("dict[str, Any]", ask(folder, "status"))
    except NotServedError:
        found = _at_rest(config.line.name, folder / "journal.sqlite3")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        _show(found, Console(soft_wrap=True, highlight=False, markup=False))
    sys.exit(1 if problems(found) else 0)


def problems(found: dict[str, Any]) -> list[str]:
    """Return what is wrong, as sentences."""
    wrong = [f"alarm: {alarm['message']}" for alarm in found.get("alarms", ())]
    for name, sink in found["sinks"].items():
        if sink["dead"]:
            wrong.append(f"sink {name} has refused {sink['dead']}; see linecore journal list")
        if sink.get("error"):
            wrong.append(f"sink {name} fails: {sink['error']}")
        if sink.get("dropped"):
            wrong.append(f"sink {name} has lost {sink['dropped']}")
    wrong += [f"source {name} has failed" for name, state in found.get("sources", {}).items() if state == "failed"]
    ledgers = {**found["total"], **found.get("ledger", {})}
    wrong += [f"the ledger of {source} does not balance" for source, one in ledgers.items() if not one["balanced"]]
    return wrong


def _at_rest(name: str, path: Path) -> dict[str, Any]:
    with opened(name, path) as file:
        captured = CapturedCounts(path.parent / "captured")
        captured.raise_to(file.counts()[0])
        try:
            return cast("dict[str, Any]", status_at_rest(name, file, captured.all()))
        finally:
            captured.close()


def _show(found: dict[str, Any], console: Console) -> None:
    if found["serving"]:
        process, intake = found["process"], found["intake"]
        console.print(
            f"{found['line']} is served by process {found['pid']} since {found['started_at'][:19]}, "
            f"configuration {found['config_hash'][:12]}"
        )
        console.print(
            f"{process['resident_mb']:.0f} MB, {process['threads']} threads, {process['files']} files; "
            f"{intake['workers']} workers, {intake['waiting']} frames wait"
            + (f", {intake['left_behind']} workers hang in a plugin" if intake["left_behind"] else "")
        )
    else:
        console.print(f"{found['line']} is not being served", style="bold")
    journal = found["journal"]
    said = f"journal: {journal['entries']} deliveries wait, {journal['mb']:.1f} MB"
    console.print(said + (f"; {journal['trouble']}" if journal.get("trouble") else ""))
    console.print(_ledger(found))
    console.print(_sinks(found))
    if found["serving"]:
        console.print(_plugins(found))
    for sentence in problems(found):
        console.print(Text(printable(sentence), "bold red"))


def _ledger(found: dict[str, Any]) -> Table:
    table = _table(f"frames since {found['since'][:19]}")
    for column in ("source", "state"):
        table.add_column(column)
    for column in ("captured", "recorded", "dropped", "in flight"):
        table.add_column(column, justify="right")
    table.add_column("reasons", overflow="fold")
    for source, one in found["total"].items():
        reasons = ", ".join(f"{count} {reason}" for reason, count in one["dropped"].items())
        numbers = (one["captured"], one["recorded"], sum(one["dropped"].values()), one["in_flight"])
        table.add_row(source, found.get("sources", {}).get(source, ""), *map(str, numbers), reasons)
    return table


def _sinks(found: dict[str, Any]) -> Table:
    table = _table("sinks")
    table.add_column("sink")
    table.add_column("state")
    for column in ("waiting", "lost", "dead letters"):
        table.add_column(column, justify="right")
    table.add_column("last failure", overflow="fold")
    for name, one in found["sinks"].items():
        state = one.get("state", "")
        style = {"away": "bold red", "retrying": "yellow"}.get(state, "")
        lost = str(one.get("dropped", ""))
        error = printable(one.get("error") or "")
        table.add_row(name, Text(state, style), str(one["waiting"]), lost, str(one["dead"]), error)
    return table


def _plugins(found: dict[str, Any]) -> Table:
    table = _table("plugins")
    table.add_column("plugin")
    for column in ("calls", "failures"):
        table.add_column(column, justify="right")
    table.add_column("busy with")
    table.add_column("last failure", overflow="fold")
    for name, one in found["plugins"].items():
        busy = ", ".join(f"{call['hook']} for {call['seconds']:.1f} s" for call in one["busy"])
        table.add_row(name, str(one["calls"]), str(one["failures"]), busy, printable(one["error"] or ""))
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
