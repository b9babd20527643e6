"""How commands name a line that may be served at this moment: by its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from linecore.config import LineConfig, load_config
from linecore.errors import ConnectionFailedError
from linecore.journal_file import JournalFile

line_file = click.argument("file", default=Path("line.toml"), type=click.Path(path_type=Path), metavar="[LINE.toml]")
"""The argument of commands that speak of one line."""


def state_of(config: LineConfig) -> Path:
    """Return the folder where the line remembers things, which may not exist yet."""
    return config.folder / ".linecore" / config.line.name


@contextmanager
def opened(name: str, path: Path) -> Iterator[JournalFile]:
    """Open the journal of a line that nobody serves.

    Raises:
        ConnectionFailedError: there is none, or somebody has it.
    """
    if not path.exists():
        raise ConnectionFailedError(f"the line {name!r} has never been served from here: there is no {path}")
    try:
        file = JournalFile(path)
    except sqlite3.Error as error:
        raise ConnectionFailedError(f"{path} cannot be read: {error}; is the line being started?") from None
    try:
        yield file
    finally:
        file.close()


def read_line(file: Path) -> tuple[LineConfig, Path]:
    """Return a line's configuration and its state folder."""
    config = load_config(file)
    return config, state_of(config)
