"""Lines on disk, served by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import sqlalchemy as sa

from tests.bundles import spot

TIMEOUT_S = 120

LINE = """
[line]
name = "{name}"

[plugins.folder]
path = "incoming"
watch = false
settle_s = 0.01

[plugins.tflite]
model = "{model}"

[plugins.gradcam]

[plugins.database]
url = "sqlite:///history.db"

[plugins.console]
"""


def write_line(folder: Path, model: Path, *, images: int = 0, name: str = "mill", more: str = "") -> Path:
    """Write a line's file, and images with a bright spot (a scratch, to the tiny bundle); return the file's path."""
    incoming = folder / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        cv2.imwrite(str(incoming / f"{number}.png"), spot(255, at=(40 + number % 100, 60)))
    path = folder / "line.toml"
    path.write_text(LINE.format(name=name, model=model) + more)
    return path


def linecore(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "linecore", *map(str, arguments)]
    env = {**os.environ, **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=env, check=False)


@contextmanager
def serving(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run `linecore serve` meanwhile; it is killed where the test has not ended it."""
    command = [sys.executable, "-m", "linecore", "serve", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_lines(process: subprocess.Popen[str], count: int, word: str) -> list[str]:
    """Read what the process prints until *count* lines hold *word*, and return those."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        if word in line:
            found.append(line)
        if len(found) == count:
            return found
    raise AssertionError(f"the process ended after {len(found)} of {count} lines with {word!r}")


def rows(database: Path, query: str = "SELECT frame_id FROM inspection") -> list[str]:
    """Return the first column of a query on a SQLite history."""
    engine = sa.create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        found = [str(row[0]) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found
