"""``linecore history``: asks what was decided, and what happened to the line."""

from __future__ import annotations

import gc
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
from linecore_db.failures import cannot_use
from linecore_db.log_queries import LogFilter, find_log
from linecore_db.options import moment_option, part_option
from linecore_db.queries import Count, HistoryFilter, count, find
from linecore_db.session import open_database
from linecore_db.upgrade import require_schema
from linecore_db.urls import chosen_url


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
@click.option("--log", "logged", is_flag=True, help="Show what happened to the line instead: drops, gaps, changes.")
@click.option("--kind", help='With --log: only this kind, such as "frame dropped".')
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
    logged: bool,
    kind: str | None,
) -> None:
    """Show what was decided: one inspection a row, newest first.

    \b
    Examples:
      linecore history --since 2h --decision FAIL
      linecore history --part coil=C-4711 --oldest-first --limit 0 --format csv > coil.csv
      linecore history --since 7d --count
      linecore history --log --since 8h
    """
    wanted = HistoryFilter(line, source, label, decision, since, until, part, frame_id)
    entries = LogFilter(line, source, kind, since, until)
    if logged and (counting or wanted != HistoryFilter(line=line, source=source, since=since, until=until)):
        raise click.UsageError("--log goes with --line, --source, --kind, --since and --until, and no other filter")
    if kind is not None and not logged:
        raise click.UsageError("--kind goes with --log")
    engine = open_database(chosen_url(url, config, Path.cwd()), read_only=True)
    require_schema(engine)
    gc.freeze()  # what was imported stays: looking through it again takes longer than an answer
    try:
        if logged:
            _print_log(engine, entries, limit or None, oldest_first, form)
        elif counting:
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
        _say_where_it_ends(len(found), limit, oldest_first)


def _print_log(engine: Engine, wanted: LogFilter, limit: int | None, oldest_first: bool, form: str) -> None:
    entries = find_log(engine, wanted, limit=limit, oldest_first=oldest_first)
    if form == "csv":
        rendering.write_csv(rendering.LOG_COLUMNS, rendering.log_records(entries), sys.stdout)
    elif form == "json":
        for entry in entries:
            click.echo(rendering.log_json(entry))
    else:
        found = list(entries)
        if not found:
            _say_nothing_found()
            return
        rendering.show_log(found, rendering.console(sys.stdout))
        _say_where_it_ends(len(found), limit, oldest_first)


def _say_where_it_ends(shown: int, limit: int | None, oldest_first: bool) -> None:
    if shown == limit:
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
