"""How commands name a line that may be served at this moment: by its file."""

from __future__ import annotations

from pathlib import Path

import click

from linecore.config import LineConfig, load_config

line_file = click.argument("file", default=Path("line.toml"), type=click.Path(path_type=Path), metavar="[LINE.toml]")
"""The argument of commands that speak of one line."""


def state_of(config: LineConfig) -> Path:
    """Return the folder where the line remembers things, which may not exist yet."""
    return config.folder / ".linecore" / config.line.name


def read_line(file: Path) -> tuple[LineConfig, Path]:
    """Return a line's configuration and its state folder."""
    config = load_config(file)
    return config, state_of(config)
