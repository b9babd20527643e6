"""A PostgreSQL server of one's own, to be stopped, hung and killed; gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import skip_or_fail


class PrivatePostgresql:
    """Listens on a free port of 127.0.0.1; the user postgres may do everything."""

    def __init__(self, binaries: Path, folder: Path, settings: Sequence[str] = ()) -> None:
        self._binaries = binaries
        self.data = folder / "data"
        self._log = folder / "log"
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._options = [f"-p{self.port}", f"-k{folder}", "-clisten_addresses=127.0.0.1"]
        self._options += [f"-c{setting}" for setting in settings]
        self._do("initdb", "--username=postgres", "--auth=trust", "--no-sync", f"--pgdata={self.data}")

    @property
    def url(self) -> str:
        """Of its database, as a person writes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def version(self) -> str:
        """The major version of the server."""
        return (self.data / "PG_VERSION").read_text().strip()

    def start(self, *options: str) -> None:
        """Start it, and return when it takes connections."""
        chosen = " ".join([*self._options, *options])
        self._do("pg_ctl", "start", "--wait", f"--pgdata={self.data}", f"--log={self._log}", f"--options={chosen}")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` lets nobody finish, `immediate` is a crash."""
        self._do("pg_ctl", "stop", "--wait", f"--pgdata={self.data}", f"--mode={mode}")

    def hang(self) -> None:
        """Stop every process of it where it stands."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _do(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._binaries / program), *arguments]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, cwd="/", check=False
        )
        assert done.returncode == 0, f"{program}: {done.stdout}"


@contextmanager
def private_postgresql(parent: Path | None = None, settings: Sequence[str] = ()) -> Iterator[PrivatePostgresql]:
    """Give a server that runs; skip where none is installed, or fail on CI."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if binaries is None and (found := shutil.which("initdb")):
        binaries = Path(found).parent
    if binaries is None:
        skip_or_fail("no PostgreSQL server is installed: initdb is not there")
    assert binaries is not None
    # Not in pytest's own folder, whose parents are closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="linecore-pg-", dir=parent) as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = PrivatePostgresql(binaries, Path(folder), settings)
        server.start()
        try:
            yield server
        finally:
            with suppress(FileNotFoundError):  # stopped already
                server.go_on()
                server.stop("immediate")
