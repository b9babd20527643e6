"""A plugin's end of a stream that it publishes to: the connection, the stream and what has been sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from nats.aio.client import Client

from linecore.errors import ConfigError
from linecore_plugins.nats.access import ServerOptions, check_access
from linecore_plugins.nats.connection import NatsConnection, Ready
from linecore_plugins.nats.outbox import Letter, Outbox
from linecore_plugins.nats.streams import WantedStream, ensure_stream

logger = logging.getLogger(__name__)


class StreamSender:
    """Publishes to *stream*, which it makes where it is missing; *key* is the plugin's key in line.toml.

    With *largest_bytes*, a server that takes only smaller messages is refused at the start.
    """

    def __init__(
        self, options: ServerOptions, stream: WantedStream, key: str, *, largest_bytes: int | None = None
    ) -> None:
        self._options = options
        self._stream = stream
        self._key = key
        self._largest_bytes = largest_bytes
        self._outbox = Outbox(stream.name)
        self._connection = NatsConnection(
            options,
            self._session,
            key=key,
            connected=lambda: logger.info("%s: connected to %s", key, options.address),
            lost=lambda reason, retry_s: logger.warning(
                "%s: %s cannot be used: %s; trying again in %.1f s", key, options.address, reason, retry_s
            ),
        )

    def open(self) -> None:
        """Connect for the first time; a server that is away comes later.

        Raises:
            ConfigError: the server is there, and refuses what the file says.
        """
        check_access(self._options, self._key)
        self._connection.open()

    def publish(self, letters: Sequence[Letter]) -> None:
        """Publish in order; returning means that the server has stored all of them.

        Raises:
            ConnectionFailedError: the server is away, or full; the same letters must come again.
            TooLargeError: one of them would never be taken.
        """
        self._outbox.publish(self._connection, letters, timeout_s=self._options.timeout_s)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    async def _session(self, client: Client, ready: Ready) -> None:
        if self._largest_bytes is not None and client.max_payload < self._largest_bytes:
            raise ConfigError(
                f"{self._key}.largest_frame_mb needs messages of {self._largest_bytes} bytes, and the server takes up "
                f"to {client.max_payload}; raise max_payload in nats-server.conf"
            )
        js = client.jetstream(timeout=self._options.timeout_s)
        await ensure_stream(js, self._stream, self._key)
        ready()
        await asyncio.Event().wait()
