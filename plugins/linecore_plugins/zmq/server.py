"""The line's end of the wire: a ROUTER socket in a thread of its own, which takes messages and sends answers."""

from __future__ import annotations

import logging
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event as Flag
from threading import Thread

import zmq

from linecore.clock import SystemClock
from linecore_plugins.zmq.gatekeeper import Gatekeeper
from linecore_plugins.zmq.header import MessageRefusedError
from linecore_plugins.zmq.keys import AllowList, KeyPair
from linecore_plugins.zmq.wire import Acknowledgement, FrameMessage, wrong_count

logger = logging.getLogger(__name__)

LINGER_MS = 1000  # for the last answers, when the line stops
PARTS_KEPT = 4  # an identity, an empty part, a header, an image: what follows is counted and let go
QUIET_S = 10.0  # between two words about refused messages: a sender gone mad must not fill the disk with the log

Envelope = tuple[bytes, ...]
"""The parts that lead an answer back to its sender."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, and the envelope that leads back to its sender."""

    envelope: Envelope
    message: FrameMessage
    sender: str | None = None  # whose key it came with


class ZmqServer:
    """Takes one message at a time, and the next only when that one has been fetched.

    While nobody fetches, nothing is read from the socket, so ZeroMQ's high-water marks fill and hold the senders back;
    answers go out all the same. A ZeroMQ socket belongs to one thread: the others reach it through a queue and a
    wake-up byte. With *keys*, the line's own pair and the list of those that may send, everything is encrypted, and
    from nobody else a message comes in.

    Raises:
        zmq.ZMQError: the address cannot be bound.
    """

    def __init__(
        self, bind: str, *, max_bytes: int, high_water: int, keys: tuple[KeyPair, AllowList] | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._deliveries: Queue[Delivery] = Queue(1)
        self._answers: deque[Envelope] = deque()
        self._clock = SystemClock()
        self._quiet_until = 0.0
        self._unsaid = 0  # refusals since the last word
        self._taking = Flag()
        self._closing = Flag()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._gatekeeper = None if keys is None else Gatekeeper(self._context, *keys)
        try:
            if self._gatekeeper is not None:
                self._gatekeeper.guard(self._socket)
            self._socket.set(zmq.RCVHWM, high_water)
            self._socket.set(zmq.LINGER, LINGER_MS)
            self._socket.set(zmq.TCP_KEEPALIVE, 1)  # not ZeroMQ's heartbeats: they cut a sender that is held back
            self._socket.set(zmq.TCP_KEEPALIVE_IDLE, 30)
            # Beyond this ZeroMQ cuts the connection, before the memory is spent; up to here the sender gets a sentence.
            self._socket.set(zmq.MAXMSGSIZE, 4 * max_bytes + 1024)
            self._socket.set(zmq.IPV6, int("[" in bind))
            self._socket.bind(bind)
        except zmq.ZMQError:
            self._context.destroy(linger=0)
            raise
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._thread = Thread(target=self._serve, name=f"zmq {self.address}", daemon=True)
        self._thread.start()

    def take_messages(self, taking: bool) -> None:
        """Begin or cease to read messages from the socket; before and after, they wait at the senders."""
        if taking:
            self._taking.set()
        else:
            self._taking.clear()
        self._wake()

    def fetch(self, timeout: float) -> Delivery | None:
        """Return the next message, or None where none came within *timeout* seconds.

        Raises:
            RuntimeError: the thread of the socket has died of a bug; nothing will ever come.
        """
        try:
            delivery = self._deliveries.get(timeout=timeout)
        except Empty:
            if not self._thread.is_alive():
                raise RuntimeError(f"nobody reads from {self.address} any more") from None
            return None
        self._wake()
        return delivery

    def answer(self, envelope: Envelope, acknowledgement: Acknowledgement) -> None:
        """Send an answer; from any thread. It is lost where the sender has gone: it will ask again."""
        self._answers.append((*envelope, acknowledgement.to_bytes()))
        self._wake()

    def close(self) -> None:
        """Send the last answers and release the address."""
        self._closing.set()
        self._wake()
        self._thread.join()
        self._context.term()
        self._woken.close()
        self._waker.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # a full pipe wakes as well
            self._waker.send(b"\0")

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._woken, zmq.POLLIN)
        if self._gatekeeper is not None:
            poller.register(self._gatekeeper.socket, zmq.POLLIN)
        while not self._closing.is_set():
            takes = self._taking.is_set() and not self._deliveries.full()
            poller.register(self._socket, zmq.POLLIN if takes else 0)
            ready = dict(poller.poll())
            if self._woken.fileno() in ready:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            if self._gatekeeper is not None and self._gatekeeper.socket in ready:
                self._gatekeeper.answer()
            self._send_answers()
            if takes and self._socket in ready:
                self._receive()
        self._send_answers()
        self._socket.close()
        if self._gatekeeper is not None:
            self._gatekeeper.socket.close()

    def _send_answers(self) -> None:
        while self._answers:
            # Never waits: a ROUTER lets go what its peer does not read.
            with suppress(zmq.Again):
                self._socket.send_multipart(self._answers.popleft(), zmq.NOBLOCK)

    def _receive(self) -> None:
        try:
            parts, further, sender = self._read_parts()
        except zmq.Again:
            return
        # A REQ socket puts an empty part between its identity and the message, and wants it back.
        opening = 2 if len(parts) > 1 and not parts[1] else 1
        envelope = tuple(parts[:opening])
        try:
            if further:
                raise MessageRefusedError(wrong_count(len(parts) - opening + further))
            message = FrameMessage.from_parts(parts[opening:], self._max_bytes)
            if self._gatekeeper is not None and sender is None:
                raise MessageRefusedError("its key is no longer on the line's list", message.header.id)
        except MessageRefusedError as error:
            self._say_refused(error)
            self.answer(envelope, Acknowledgement(error.frame_id, "refused", str(error)))
            return
        with suppress(Full):  # never: this thread alone puts, and has looked
            self._deliveries.put_nowait(Delivery(envelope, message, sender))

    def _read_parts(self) -> tuple[list[bytes], int, str | None]:
        """Return the first parts of a message, how many follow, at which nobody looks, and whose key it came with."""
        parts, further, sender = [self._socket.recv(zmq.NOBLOCK)], 0, None
        while self._socket.getsockopt(zmq.RCVMORE):
            part = self._socket.recv(zmq.NOBLOCK, copy=False)
            if self._gatekeeper is not None and len(parts) == 1:
                sender = self._gatekeeper.name_of(part)
            if len(parts) < PARTS_KEPT:
                parts.append(part.bytes)
            else:
                further += 1
        return parts, further, sender

    def _say_refused(self, error: MessageRefusedError) -> None:
        now = self._clock.monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more were refused before it)" if self._unsaid else ""
        logger.warning("a message to %s is refused: %s%s", self.address, error, more)
        self._quiet_until, self._unsaid = now + QUIET_S, 0
