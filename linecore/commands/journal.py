"""``linecore journal``: dead letters, listed and replayed."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from linecore.commands.lines import line_file, opened, read_line
from linecore.control import NotServedError, ask
from linecore.errors import ConnectionFailedError
from linecore.letters import discard_letters, letters
from linecore.text import printable


@click.group(epilog="Example: linecore journal list line.toml")
def journal() -> None:
    """Look after what a line could not deliver."""


@journal.command("list", epilog="Example: linecore journal list line.toml --sink database --json")
@line_file
@click.option("--sink", help="Only what this sink refused.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_(file: Path, sink: str | None, as_json: bool) -> None:
    """List the dead letters: deliveries that a sink refused while it took others."""
    config, folder = read_line(file)
    try:
        found = cast("list[dict[str, Any]]", ask(folder, "dead letters", sink=sink))
    except NotServedError:
        found = _at_rest(config.line.name, folder / "journal.sqlite3", sink)
    if as_json:
        for one in found:
            click.echo(json.dumps(one, ensure_ascii=False))
        return
    if not found:
        click.echo("there are no dead letters", err=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("id", justify="right")
    for column in ("sink", "refused at", "what"):
        table.add_column(column, overflow="fold")
    table.add_column("tries", justify="right")
    table.add_column("error", overflow="fold")
    for one in found:
        at = datetime.fromtimestamp(one["at"], UTC)
        name = f"{one['kind']} {printable(one['name'])}"
        table.add_row(str(one["id"]), one["sink"], f"{at:%m-%d %H:%M:%S}", name, str(one["attempts"]), one["error"])
    Console(highlight=False, markup=False).print(table)


@journal.command(epilog="Example: linecore journal replay line.toml --sink database")
@line_file
@click.option("--sink", help="Only what this sink refused.")
@click.option("--id", "ids", type=int, multiple=True, help="Only this letter; may be given several times.")
def replay(file: Path, sink: str | None, ids: tuple[int, ...]) -> None:
    """Offer dead letters to their sinks once more; the line must be served.

    Each is offered once, marked as buffered; one that is refused again stays a dead letter. Exit code 1 where any does.
    """
    config, folder = read_line(file)
    try:
        done = cast("dict[str, Any]", ask(folder, "replay", sink=sink, ids=list(ids)))
    except NotServedError:
        raise ConnectionFailedError(
            f"the line {config.line.name!r} is not being served, so its sinks take nothing; serve it first"
        ) from None
    click.echo(f"{done['delivered']} of {done['offered']} delivered")
    for error in done["errors"]:
        click.echo(f"  {error}", err=True)
    sys.exit(0 if done["delivered"] == done["offered"] else 1)


@journal.command(epilog="Example: linecore journal discard line.toml --id 3")
@line_file
@click.option("--id", "ids", type=int, multiple=True, required=True, help="This letter; may be given several times.")
def discard(file: Path, ids: tuple[int, ...]) -> None:
    """Let dead letters go for good: what they hold is lost to their sinks."""
    config, folder = read_line(file)
    try:
        ask(folder, "discard", ids=list(ids))
    except NotServedError:
        with opened(config.line.name, folder / "journal.sqlite3") as at_rest:
            discard_letters(at_rest, ids)
    click.echo(f"{len(ids)} discarded")


def _at_rest(name: str, path: Path, sink: str | None) -> list[dict[str, Any]]:
    with opened(name, path) as file:
        return cast("list[dict[str, Any]]", letters(file.dead(sink)))
