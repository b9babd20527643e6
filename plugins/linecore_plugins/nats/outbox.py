"""Publishing many messages and waiting until the server holds them all: in order, a few megabytes at a time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nats.aio.client import Client
from nats.aio.msg import Msg

from linecore.errors import ConnectionFailedError, LinecoreError
from linecore_plugins.nats.connection import NatsConnection
from linecore_plugins.nats.message import MESSAGE_ID

AT_ONCE_BYTES = 1024 * 1024  # a slow link must get this through within the option timeout_s
AT_ONCE = 200
REMEMBERED = 10_000
EXPECTED_STREAM = "Nats-Expected-Stream"
STREAM_TAKES_LESS = 10054  # the server's error code for a message beyond the stream's own limit


class TooLargeError(LinecoreError):
    """A message is larger than the server, or the stream, allows."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to publish."""

    subject: str
    headers: dict[str, str]
    payload: bytes

    @property
    def nbytes(self) -> int:
        """Bytes as the server counts them against its max_payload, give or take."""
        return len(self.payload) + sum(len(name) + len(value.encode()) + 4 for name, value in self.headers.items()) + 16


class Outbox:
    """Publishes to one stream; what it holds already is not sent again when a batch comes again."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._held: OrderedDict[str, None] = OrderedDict()  # ids of the last messages that the server holds

    def publish(self, connection: NatsConnection, letters: Sequence[Letter], *, timeout_s: float) -> None:
        """Publish *letters* in order; returning means that the server has stored them all.

        Raises:
            ConnectionFailedError: the server is away, or full; the same letters must come again.
            TooLargeError: one of them would never be taken.
        """
        new = [one for one in letters if one.headers[MESSAGE_ID] not in self._held]
        while new:
            count, size = 1, new[0].nbytes
            while count < min(len(new), AT_ONCE) and size + new[count].nbytes <= AT_ONCE_BYTES:
                size += new[count].nbytes
                count += 1
            batch, new = new[:count], new[count:]
            connection.run(partial(self._send, letters=batch), timeout_s)
            for letter in batch:
                self._held[letter.headers[MESSAGE_ID]] = None
            while len(self._held) > REMEMBERED:
                self._held.popitem(last=False)

    async def _send(self, client: Client, letters: Sequence[Letter]) -> None:
        for letter in letters:
            if letter.nbytes > client.max_payload:
                raise TooLargeError(
                    f"{letter.headers[MESSAGE_ID]} has {letter.nbytes} bytes, and the server takes up to "
                    f"{client.max_payload}; raise max_payload in nats-server.conf"
                )
        inbox = client.new_inbox()
        answers = await client.subscribe(f"{inbox}.*")
        try:
            for number, letter in enumerate(letters):
                headers = {**letter.headers, EXPECTED_STREAM: self._stream}
                await client.publish(letter.subject, letter.payload, reply=f"{inbox}.{number}", headers=headers)
            for _ in letters:
                self._check(await answers.next_msg(timeout=None))
        finally:
            if not client.is_closed:
                await answers.unsubscribe()

    def _check(self, answer: Msg) -> None:
        """Refuse an answer that says that the message was not stored.

        Not left to ``publish_async`` of the client: it never completes where the answer is an error.
        """
        if (answer.headers or {}).get("Status") == "503":
            raise ConnectionFailedError(f"the stream {self._stream} does not answer")
        error = json.loads(answer.data).get("error")
        if error and error.get("err_code") == STREAM_TAKES_LESS:
            raise TooLargeError(f"the stream {self._stream} takes no message of that size; raise its max_msg_size")
        if error:  # full, without a leader, or sealed: it may take them later
            raise ConnectionFailedError(f"the stream {self._stream} takes nothing: {error.get('description')}")
