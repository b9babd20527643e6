"""Servers of a test's own, on loopback, which may be stopped as by a loss of power and started again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from linecore.testing import PATIENCE_S
from tests.conftest import skip_or_fail


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def program(name: str, *folders: str) -> str:
    """Return where a program lies, also in *folders* that are not on the path; skips, or fails in CI, without it."""
    found = shutil.which(name) or shutil.which(name, path=":".join(folders))
    if found is None:
        skip_or_fail(f"{name} is not installed")
    return found


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the loopback address, and its key."""
    pem, key = folder / "server.pem", folder / "server.key"
    subject = ["-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", pem, *subject], check=True, capture_output=True)
    return pem, key


class Server:
    """A server as a process, which writes a log."""

    def __init__(self, command: Sequence[str], log: Path, port: int, host: str = "127.0.0.1") -> None:
        self.port = port
        self._command, self._log, self._host = command, log, host
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self._host, self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log
                time.sleep(0.02)
        raise AssertionError(f"{self._command[0]} does not listen")

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it, as by a loss of power unless another signal is named."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    def pause(self) -> None:
        """Have it answer nobody, though its system goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        """What it has written about itself."""
        return self._log.read_text()
