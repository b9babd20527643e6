"""A TCP relay, so that machines in namespaces reach a server that listens on the loopback alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from linecore.testing import PATIENCE_S


@contextmanager
def relay(host: str, target: tuple[str, int]) -> Iterator[int]:
    """Relay from a free port of *host* to *target* meanwhile; yield the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="relay")
    thread.start()
    connections: set[asyncio.Task[None]] = set()

    async def open_it() -> asyncio.Server:
        return await asyncio.start_server(serve, host, 0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        task.add_done_callback(connections.discard)
        with suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(*target)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))

    async def close_it() -> None:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(open_it(), loop).result(PATIENCE_S)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(close_it(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
