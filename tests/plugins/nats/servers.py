"""NATS servers for tests: the one on its standard port, or a private one that may be stopped and started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import nats
from nats.aio.client import Client

from linecore.testing import PATIENCE_S
from tests.conftest import skip_or_fail

T = TypeVar("T")
SERVER = os.environ.get("LINECORE_TEST_NATS", "nats://127.0.0.1:4222")


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def ask(url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do something with a client of its own."""

    async def run() -> T:
        async with await nats.connect(url, connect_timeout=2, allow_reconnect=False) as client:
            return await work(client)

    return asyncio.run(run())


@contextmanager
def stream_name(url: str = SERVER) -> Iterator[str]:
    """Give the name of a stream that nobody else has; what was made under it is gone afterwards."""
    name = f"TEST_{uuid.uuid4().hex[:12]}"

    async def clean(client: Client) -> None:
        for stream in await client.jetstream().streams_info():
            if (stream.config.name or "").startswith(name):
                await client.jetstream().delete_stream(stream.config.name or "")

    yield name
    ask(url, clean)


class PrivateServer:
    """A server of the test's own, which can be stopped as by a loss of power, and started again."""

    def __init__(
        self, folder: Path, arguments: Sequence[str] = (), *, host: str = "127.0.0.1", jetstream: bool = True
    ) -> None:
        found = shutil.which("nats-server")
        if found is None:
            skip_or_fail("nats-server is not installed")
        assert found is not None
        self._host, self._port = host, free_port()
        store = ["-js", "-sd", str(folder / "jetstream")] if jetstream else []
        self._command = [found, *store, "-a", host, "-p", str(self._port), *arguments]
        self._log = folder / "nats-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"nats://{host}:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self._host, self._port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.02)
        raise AssertionError("nats-server does not listen")

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def private_server(folder: Path, *arguments: str, jetstream: bool = True) -> Iterator[PrivateServer]:
    """Run a server of the test's own meanwhile."""
    server = PrivateServer(folder, arguments, jetstream=jetstream)
    server.start()
    try:
        yield server
    finally:
        server.kill()
