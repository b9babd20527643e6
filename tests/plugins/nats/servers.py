"""NATS servers for tests: the one on its standard port, or a private one that may be stopped and started."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import nats
from nats.aio.client import Client

from tests.servers import Server, free_port, program

T = TypeVar("T")
SERVER = os.environ.get("LINECORE_TEST_NATS", "nats://127.0.0.1:4222")


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


class PrivateServer(Server):
    """A server of the test's own; what its streams hold is on disk."""

    def __init__(
        self, folder: Path, arguments: Sequence[str] = (), *, host: str = "127.0.0.1", jetstream: bool = True
    ) -> None:
        port = free_port()
        store = ["-js", "-sd", str(folder / "jetstream")] if jetstream else []
        command = [program("nats-server"), *store, "-a", host, "-p", str(port), *arguments]
        super().__init__(command, folder / "nats-server.log", port, host)
        self.url = f"nats://{host}:{port}"


@contextmanager
def private_server(folder: Path, *arguments: str, jetstream: bool = True) -> Iterator[PrivateServer]:
    """Run a server of the test's own meanwhile."""
    server = PrivateServer(folder, arguments, jetstream=jetstream)
    server.start()
    try:
        yield server
    finally:
        server.stop()
