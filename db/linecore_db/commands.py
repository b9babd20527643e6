"""``linecore history`` and ``linecore db``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from linecore.inspection import Decision, Part
from linecore_db import rendering
from linecore_db.options import moment_option, part_option
from linecore_db.queries import Count, HistoryFilter, count, find
from linecore_db.session import cannot_use, open_database
from linecore_db.upgrade import require_schema, upgrade_schema
from linecore_db.urls import chosen_url, shown


@click.command()
@click.option("--db", "url", metavar="URL", help="The database. Default: that of line.toml in this folder.")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="The line's file that names the database."
)
@click.option("--line", help="Only this line.")
@click.option("--source", help="Only frames of this source.")
@click.option("--label", help="Only this label.")
@click.option(
    "--decision",
    type=click.Choice([str(decision) for decision in Decision], case_sensitive=False),
    help="Only this decision.",
)
@click.option(
    "--since",
    callback=moment_option,
    metavar="TIME",
    help="Captured then or later: 2h, 7d, or an ISO time (UTC unless it has a zone).",
)
@click.option("--until", callback=moment_option, metavar="TIME", help="Captured before then.")
@click.option(
    "--part",
    callback=part_option,
    metavar="KEY=VALUE",
    multiple=True,
    help="Only this part: coil=C-4711, serial=..., lot=...",
)
@click.option("--frame", "frame_id", metavar="ID", help="Only this frame.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    metavar="N",
    help="At most so many; 0 for all.",
)
@click.option("--oldest-first", is_flag=True, help="Begin with the oldest.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--count", "counting", is_flag=True, help="Count frames by decision and label instead.")
def history(
    url: str | None,
    config: Path | None,
    line: str | None,
    source: str | None,
    label: str | None,
    decision: str | None,
    since: datetime | None,
    until: datetime | None,
    part: Part,
    frame_id: str | None,
    limit: int,
    oldest_first: bool,
    form: str,
    counting: bool,
) -> None:
    """Show what was decided: one inspection a row, newest first.

    \b
    Examples:
      linecore history --since 2h --decision FAIL
      linecore history --part coil=C-4711 --oldest-first --limit 0 --format csv > coil.csv
      linecore history --since 7d --count
    """
    engine = open_database(chosen_url(url, config, Path.cwd()), read_only=True)
    require_schema(engine)
    wanted = HistoryFilter(line, source, label, decision, since, until, part, frame_id)
    try:
        if counting:
            _print_counts(count(engine, wanted), form)
        else:
            _print_inspections(engine, wanted, limit or None, oldest_first, form)
    except SQLAlchemyError as error:
        raise cannot_use(engine.url, error) from None
    finally:
        engine.dispose()


def _print_inspections(engine: Engine, wanted: HistoryFilter, limit: int | None, oldest_first: bool, form: str) -> None:
    rows = find(engine, wanted, limit=limit, oldest_first=oldest_first)
    if form == "csv":
        rendering.write_csv(rendering.COLUMNS, rendering.csv_records(rows), sys.stdout)
    elif form == "json":
        for row in rows:
            click.echo(rendering.to_json(row))
    else:
        found = list(rows)
        if not found:
            _say_nothing_found()
            return
        rendering.show_table(found, rendering.console(sys.stdout))
        if len(found) == limit:
            click.echo(f"the {'oldest' if oldest_first else 'newest'} {limit}; --limit shows more", err=True)


def _print_counts(counts: list[Count], form: str) -> None:
    if form == "csv":
        rendering.write_csv(["decision", "label", "frames"], [[*asdict(each).values()] for each in counts], sys.stdout)
    elif form == "json":
        for each in counts:
            click.echo(json.dumps(asdict(each), ensure_ascii=False))
    elif counts:
        rendering.show_counts(counts, rendering.console(sys.stdout))
    else:
        _say_nothing_found()


def _say_nothing_found() -> None:
    click.echo("nothing in the history agrees with that", err=True)


@click.group(epilog="Example: linecore db upgrade --config line.toml")
def db() -> None:
    """Look after the history's database."""


@db.command()
@click.argument("url", required=False)
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="The line's file that names the database."
)
def upgrade(url: str | None, config: Path | None) -> None:
    """Bring a database to this release, or fill an empty one with tables. Make a backup first.

    Without URL, the database of line.toml in this folder.

    \b
    Examples:
      linecore db upgrade
      linecore db upgrade sqlite:///history.db
    """
    engine = open_database(chosen_url(url, config, Path.cwd()))
    try:
        before, after = upgrade_schema(engine)
    finally:
        engine.dispose()
    where = shown(engine.url)
    if before == after:
        click.echo(f"{where} is up to date (schema {after})")
    elif before is None:
        click.echo(f"{where} is ready (schema {after})")
    else:
        click.echo(f"{where} is upgraded from schema {before} to {after}")
