"""``linecore db``: looks after the history's database."""

from __future__ import annotations

from pathlib import Path

import click

from linecore_db.commands.hold import hold, holds, release
from linecore_db.commands.purge import purge
from linecore_db.session import open_database
from linecore_db.upgrade import upgrade_schema
from linecore_db.urls import chosen_url, shown


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
    engine = open_database(chosen_url(url, config, Path.cwd()), answer_s=None)
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


for command in (purge, hold, release, holds):
    db.add_command(command)
