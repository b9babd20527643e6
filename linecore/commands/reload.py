"""``linecore reload``: the line goes on with a new version of its file."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from linecore.commands.lines import line_file, read_line
from linecore.control import ask


@click.command(epilog="Example: linecore reload line.toml")
@line_file
def reload(file: Path) -> None:
    """Have a line that is being served go on with its file as it is now (default: line.toml).

    The file is checked and a new model loaded before anything changes; the switch falls between two frames. What is
    wrong is said here, and the line goes on as it was. SIGHUP to `linecore serve` does the same.
    """
    config, folder = read_line(file)
    changes = cast("list[str]", ask(folder, "reload", file=str(file.resolve())))
    said = f"{len(changes)} change{'s' * (len(changes) != 1)}, effective from the next frame"
    click.echo(f"{config.line.name}: {said if changes else 'nothing has changed'}")
    for change in changes:
        click.echo(f"  {change}")
