"""A PostgreSQL server of the proof's own, which may be stopped: the one that everybody shares may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.conftest import skip_or_fail
from tests.torture.feeds import free_port

USER = "postgres"  # who runs the server where we are root, which it refuses to run as


class PrivatePostgres:
    """A cluster in *folder*, on a port of its own, without a password: it listens on loopback alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        _run("initdb", "-D", folder, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """How a line reaches it."""
        return f"postgresql://{USER}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        _run("pg_ctl", "start", "-w", "-D", self._folder, "-l", self._folder / "server.log", "-o", options)

    def stop(self) -> None:
        """Stop it as a restart for maintenance does: connections are cut, transactions in flight are undone."""
        _run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self._folder)


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """Give a server that runs; skip where its programs are not installed."""
    if _program("initdb") is None:
        skip_or_fail("PostgreSQL's initdb is not installed")
    folder = Path(tempfile.mkdtemp(prefix="torture-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        server = PrivatePostgres(folder)
        server.start()
        try:
            yield server
        finally:
            if (folder / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder)


def _run(name: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs to its end."""
    command: Sequence[str | Path] = [_program(name) or name, *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", USER, "--", *command]
    # Not a pipe: the server would inherit it and hold it open.
    run = partial(subprocess.run, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    run(command, check=True, timeout=60, cwd="/")


def _program(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(installed[-1]) if installed else None)
