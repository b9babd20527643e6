"""A NATS server of the proof's own, with JetStream on disk, which may be stopped: the one that all share may not."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from linecore.plugins import known_plugins
from tests.conftest import skip_or_fail
from tests.servers import free_port, program
from tests.torture.patience import becomes_true

START_S = 30.0


class NatsServer:
    """The server as a process, on ports of its own, with its store in *folder*.

    Skips where nats-server, or linecore's plugin for it, is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if "nats" not in known_plugins():
            skip_or_fail("linecore's plugin for NATS is not installed")
        self._port, self._monitor = free_port(), free_port()
        store = ["-js", "-sd", str(folder / "jetstream"), "-l", str(folder / "nats.log")]
        ports = ["-p", str(self._port), "-m", str(self._monitor)]
        self._command = [program("nats-server"), "-a", "127.0.0.1", *ports, *store]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(self._command)
        assert becomes_true(self._listens, START_S), "nats-server does not start"

    def stop(self) -> None:
        """Stop it as a restart for maintenance does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(START_S)
            self._process = None

    def messages(self, stream: str) -> int:
        """Return how many messages a stream holds; a stream that is not there, or a server, holds none."""
        state: dict[str, Any] = self._stream(stream).get("state", {})
        return int(state.get("messages", 0))

    def bodies(self, stream: str) -> list[dict[str, Any]]:
        """Return the messages of a stream as JSON, oldest first."""
        return asyncio.run(self._bodies(stream))

    async def _bodies(self, stream: str) -> list[dict[str, Any]]:
        import nats

        state = self._stream(stream)["state"]
        client = await nats.connect(self.url, allow_reconnect=False)
        try:
            js = client.jetstream()
            found = [await js.get_msg(stream, at) for at in range(state["first_seq"], state["last_seq"] + 1)]
            return [json.loads(message.data or b"") for message in found]
        finally:
            await client.close()

    def _stream(self, name: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._monitor}/jsz?streams=true", timeout=5) as answer:
                found = json.load(answer)
        except OSError:
            return {}
        streams = [one for account in found.get("account_details", ()) for one in account.get("stream_detail", ())]
        return next((one for one in streams if one["name"] == name), {})

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True
