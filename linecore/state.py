"""What a line remembers on disk, and that only one process serves it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from linecore.config import LineConfig
from linecore.errors import ConfigError


def state_folder(folder: Path, name: str) -> Path:
    """Return the folder where the line *name*, whose file is in *folder*, remembers things; it is made.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    path = folder / ".linecore" / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be made ({error.strerror}); a line needs to write beside its file") from None
    if not os.access(path, os.W_OK):
        raise ConfigError(f"{path} cannot be written to; a line needs to write beside its file")
    return path


def journal_path(folder: Path, name: str) -> Path:
    """Return where the journal of the line *name* is.

    Raises:
        ConfigError: its folder cannot be made or written to.
    """
    return state_folder(folder, name) / "journal.sqlite3"


@contextmanager
def sole_server(config: LineConfig) -> Iterator[None]:
    """Hold the lock of a line: two processes that serve the same one would inspect its frames twice.

    Raises:
        ConfigError: another process holds it.
    """
    with (state_folder(config.folder, config.line.name) / "serving.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(
                f"{config.where}: the line {config.line.name!r} is being served already, by process "
                f"{lock.read().strip() or 'unknown'}; stop that one first"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
