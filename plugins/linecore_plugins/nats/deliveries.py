"""What a worker holds of the work queue: taken one by one, kept alive while it is worked on, answered at the end."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from linecore_plugins.nats.connection import NatsConnection, Ready

logger = logging.getLogger(__name__)

ACK, NAK, TERM, PROGRESS = b"+ACK", b"-NAK", b"+TERM", b"+WPI"
FETCH_S = 1.0  # how long the server holds a request while there is nothing; after a silent loss the next one is asked


@dataclass(eq=False, slots=True)
class Delivery:
    """One delivery of one message."""

    message: Msg
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def number(self) -> int:
        """How often the message has been delivered, this time included."""
        return self.message.metadata.num_delivered

    @property
    def sequence(self) -> int:
        """The message's number in its stream."""
        return self.message.metadata.sequence.stream


class Deliveries:
    """Takes messages of the durable *consumer* of *stream* while somebody wants them, at most *prefetch* ahead.

    What is held is renewed three times within *ack_wait_s*, for up to *hold_s*; beyond that another worker may have it.
    """

    def __init__(self, stream: str, consumer: str, *, prefetch: int, ack_wait_s: float, hold_s: float) -> None:
        self._stream = stream
        self._consumer = consumer
        self._prefetch = prefetch
        self._ack_wait_s = ack_wait_s
        self._hold_s = hold_s
        self._arrived: SimpleQueue[Delivery] = SimpleQueue()
        self._held: set[Delivery] = set()
        self._unsent: list[tuple[str, bytes]] = []  # answers that found no connection: subject and payload
        self._lock = Lock()
        self._wanted = False
        self._idle = Flag()  # no request is with the server
        self._idle.set()
        self._room: asyncio.Event | None = None  # of the session that runs now
        self._connection: NatsConnection

    def use(self, connection: NatsConnection) -> None:
        """Answer through *connection*."""
        self._connection = connection

    def next(self, timeout_s: float) -> Delivery | None:
        """Return the next delivery, or None where none has come in time."""
        try:
            delivery = self._arrived.get(timeout=timeout_s)
        except Empty:
            return None
        self._look_for_room()
        return delivery

    def want(self, wanted: bool) -> None:
        """Begin to take messages, or stop; what has been taken and not fetched goes back at once."""
        self._wanted = wanted
        self._look_for_room()
        while not wanted and (delivery := self.next(timeout_s=0)):
            self.give_back(delivery)

    def acknowledge(self, delivery: Delivery) -> None:
        """Say that the message is done with: the work queue lets it go."""
        self._answer(delivery, ACK)

    def terminate(self, delivery: Delivery) -> None:
        """Say that the message must not be delivered again, though nobody is done with it."""
        self._answer(delivery, TERM)

    def give_back(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Let any worker have it, after *delay_s* seconds."""
        delay = b" " + json.dumps({"delay": int(delay_s * 1e9)}).encode() if delay_s else b""
        self._answer(delivery, NAK + delay)

    def give_back_all(self) -> None:
        """Let any worker have what is still held, once nothing more can come."""
        self._idle.wait(FETCH_S + 1)
        with self._lock:
            held = list(self._held)
        for delivery in held:
            self.give_back(delivery)

    def dry(self) -> bool:
        """Say whether the work queue is empty and no worker holds anything of it.

        Raises:
            ConnectionFailedError: the server cannot be asked.
        """

        async def look(client: Client) -> bool:
            consumer = await client.jetstream().consumer_info(self._stream, self._consumer)
            return not consumer.num_pending and not consumer.num_ack_pending

        return self._arrived.empty() and self._connection.run(look)

    async def session(self, client: Client, js: JetStreamContext, ready: Ready) -> None:
        """Take messages until the connection ends."""
        self._room = room = asyncio.Event()
        subscription = await js.pull_subscribe_bind(consumer=self._consumer, stream=self._stream)
        ready()
        await self._send_unsent(client)
        renewing = asyncio.ensure_future(self._renew(client))
        try:
            while True:
                room.clear()
                self._idle.clear()  # before the question, so that who stops asking knows whether to wait
                if not self._has_room():
                    self._idle.set()
                    await room.wait()
                    continue
                try:
                    (message,) = await subscription.fetch(1, timeout=FETCH_S)
                    self._take(message)
                except nats.errors.TimeoutError:
                    continue
                finally:
                    self._idle.set()
        finally:
            renewing.cancel()
            self._room = None
            await self._give_back_rest(client, subscription)

    async def _give_back_rest(self, client: Client, subscription: JetStreamContext.PullSubscription) -> None:
        """Let another worker have at once what has arrived and was not taken."""
        with suppress(nats.errors.Error, OSError):
            if client.is_connected:
                await client.flush(1)  # what the server sent before has arrived then
            while client.is_connected and subscription.pending_msgs:
                for message in await subscription.fetch(1, timeout=0.1):
                    await client.publish(message.reply, NAK)

    def _take(self, message: Msg) -> None:
        delivery = Delivery(message)
        with self._lock:
            self._held.add(delivery)
        if self._wanted:
            self._arrived.put(delivery)
        else:
            self.give_back(delivery)

    def _has_room(self) -> bool:
        return self._wanted and self._arrived.qsize() < self._prefetch

    def _look_for_room(self) -> None:
        async def wake(client: Client) -> None:
            if self._room is not None:
                self._room.set()

        self._connection.soon(wake)

    def _answer(self, delivery: Delivery, word: bytes) -> None:
        with self._lock:
            self._held.discard(delivery)
        answer = (delivery.message.reply, word)
        if not self._connection.soon(self._sending(*answer)):
            with self._lock:
                self._unsent.append(answer)

    def _sending(self, subject: str, word: bytes) -> Callable[[Client], Coroutine[Any, Any, None]]:
        async def send(client: Client) -> None:
            await client.publish(subject, word)

        return send

    async def _send_unsent(self, client: Client) -> None:
        with self._lock:
            unsent, self._unsent = self._unsent, []
        for subject, word in unsent:
            await client.publish(subject, word)

    async def _renew(self, client: Client) -> None:
        while True:
            with self._lock:
                held = list(self._held)
            now = time.monotonic()
            for delivery in held:
                if now - delivery.taken_at < self._hold_s:
                    with suppress(nats.errors.Error, OSError):  # the session ends with the connection
                        await client.publish(delivery.message.reply, PROGRESS)
            await asyncio.sleep(self._ack_wait_s / 3)
