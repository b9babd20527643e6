"""``linecore check``: everything that serving would find wrong, without serving."""

from __future__ import annotations

from pathlib import Path

import click

from linecore.config import load_config
from linecore.line import Line


@click.command(epilog="Example: linecore check line.toml")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="LINE.toml...")
def check(files: tuple[Path, ...]) -> None:
    """Check lines (default: line.toml): the file, the plugins, the database, the model.

    Every plugin is started and stopped, so a port in use, a missing folder, a database that does not answer and a
    damaged model are found. No frame is taken.
    """
    for path in files or (Path("line.toml"),):
        config = load_config(path)
        line = Line.from_config(config)
        line.check_complete()
        line.prepare()
        try:
            for remark in line.remarks():
                click.echo(f"{path}: note: {remark}")
        finally:
            line.release()
        plugins = ", ".join(table.name for table in config.plugins)
        click.echo(f"{path}: line {line.name!r} is ready to serve: {plugins}")
