"""``linecore db hold``, ``release`` and ``holds``: what must not be purged."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from linecore.clock import SystemClock
from linecore.text import printable
from linecore_db import holds as keeping
from linecore_db.failures import failure
from linecore_db.options import held_argument
from linecore_db.rendering import console
from linecore_db.schema import HoldRow
from linecore_db.session import open_database
from linecore_db.upgrade import require_schema
from linecore_db.urls import chosen_url

_database = click.option("--db", "url", metavar="URL", help="The database. Default: that of line.toml in this folder.")
_config = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="The line's file that names the database."
)
_what = click.argument("what", metavar="KEY=VALUE", callback=held_argument)
_by = click.option("--by", metavar="NAME", help="Who says so. Default: the user of this shell.")


@click.command()
@_what
@click.option("--note", help="Why.")
@_by
@_database
@_config
def hold(what: tuple[str, str], note: str | None, by: str | None, url: str | None, config: Path | None) -> None:
    """Keep all inspections of a lot, coil, serial, order or tray, and their files, until it is released.

    \b
    Example:
      linecore db hold lot=L7 --note "complaint 4711" --by "A. Smith"
    """
    part, value = what
    engine = open_database(chosen_url(url, config, Path.cwd()))
    try:
        require_schema(engine)
        new = keeping.hold(engine, part, value, by=by or getpass.getuser(), note=note, now=SystemClock().now())
    except SQLAlchemyError as error:
        raise failure(engine.url, error) from None
    finally:
        engine.dispose()
    click.echo(f"{part} {value} is held" if new else f"{part} {value} is held already")


@click.command()
@_what
@_by
@_database
@_config
def release(what: tuple[str, str], by: str | None, url: str | None, config: Path | None) -> None:
    """End a hold: what was held goes when its time comes. Exit code 1 where nothing was held.

    \b
    Example:
      linecore db release lot=L7
    """
    part, value = what
    engine = open_database(chosen_url(url, config, Path.cwd()))
    try:
        require_schema(engine)
        done = keeping.release(engine, part, value, by=by or getpass.getuser(), now=SystemClock().now())
    except SQLAlchemyError as error:
        raise failure(engine.url, error) from None
    finally:
        engine.dispose()
    click.echo(f"{part} {value} is released" if done else f"{part} {value} is not held", err=not done)
    if not done:
        sys.exit(1)


@click.command()
@click.option("--all", "released", is_flag=True, help="Also what was released.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_database
@_config
def holds(released: bool, as_json: bool, url: str | None, config: Path | None) -> None:
    """List what is held, by whom, since when and why.

    \b
    Example:
      linecore db holds --all
    """
    engine = open_database(chosen_url(url, config, Path.cwd()), read_only=True)
    try:
        require_schema(engine)
        found = keeping.holds(engine, released=released)
    except SQLAlchemyError as error:
        raise failure(engine.url, error) from None
    finally:
        engine.dispose()
    if as_json:
        for row in found:
            click.echo(json.dumps(_record(row), ensure_ascii=False))
    elif found:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("held", "since (UTC)", "by", "released (UTC)", "by", "why"):
            table.add_column(heading)
        for row in found:
            until = f"{row.released_at:%Y-%m-%d %H:%M}" if row.released_at else ""
            words = (f"{row.part} {row.value}", f"{row.held_at:%Y-%m-%d %H:%M}", row.held_by, until, row.released_by)
            table.add_row(*(Text(printable(word or "")) for word in (*words, row.note)))
        console(sys.stdout).print(table)
    else:
        click.echo("nothing is held", err=True)


def _record(row: HoldRow) -> dict[str, str | None]:
    return {
        "part": row.part,
        "value": row.value,
        "held_at": row.held_at.isoformat(),
        "held_by": row.held_by,
        "note": row.note,
        "released_at": row.released_at.isoformat() if row.released_at else None,
        "released_by": row.released_by,
    }
