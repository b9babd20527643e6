"""The sending side: push frames to a line over ZeroMQ and learn what became of each.

::

    with ZmqSender("tcp://127.0.0.1:5570") as sender:
        answer = sender.send("coil-7/000123", encoded=jpeg, part=Part(coil="7"))
        assert answer.status == "recorded"
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from secrets import token_hex
from types import TracebackType
from typing import Self

import zmq
from zmq.utils.monitor import recv_monitor_message

from linecore.clock import Clock, SystemClock
from linecore.errors import ConfigError
from linecore.inspection import Image, Part
from linecore.text import printable
from linecore_plugins.zmq.address import WISH, is_address
from linecore_plugins.zmq.header import MAX_ID, MessageRefusedError
from linecore_plugins.zmq.keys import KeyPair, is_key
from linecore_plugins.zmq.wire import NO_PART, Acknowledgement, FrameMessage

_REFUSALS: Mapping[int, str] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "the line does not have this sender's key on its list",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "the line hung up: its key is another, or one side alone uses keys",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "one side alone uses keys",
}
"""What ZeroMQ's events say of a connection that comes to nothing."""


@dataclass(slots=True)
class _Pending:
    message: FrameMessage
    give_up: float  # on the monotonic clock
    sent: bool
    send_again: float
    pause: float


class ZmqSender:
    """Sends frames to *address* and waits for the answers; for one thread.

    Up to *window* frames are on their way at once. A frame without an answer is sent again under the same id after
    *resend_s* seconds, then after twice as long each time, and counts as unanswered after *timeout_s* seconds: it may
    have been recorded all the same, and sending it once more later does no harm. Frames are numbered under the name
    *sender*, by default one that no other sender has, so that the line can tell when some never came; a frame that is
    sent again keeps its number, and a message that is numbered already keeps its own.

    A line that asks for keys wants *key*, the sender's pair, whose public key is on the line's list, and *server_key*,
    the line's public key: 40 characters.

    Raises:
        ConfigError: the address is none that ZeroMQ can connect to, the sender's name is not fit for the header, or the
            keys are none.
    """

    def __init__(
        self,
        address: str,
        *,
        window: int = 16,
        resend_s: float = 5.0,
        timeout_s: float = 60.0,
        sender: str | None = None,
        key: KeyPair | None = None,
        server_key: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not is_address(address):
            raise ConfigError(f"the address to send to is {address!r}; {WISH}")
        if (key is None) != (server_key is None):
            raise ConfigError(
                "key and server_key, the sender's own pair and the line's public key, go together; give both"
            )
        if server_key is not None and not is_key(server_key):
            raise ConfigError(f"the line's key is {server_key!r}; a public key has 40 characters")
        if sender is not None and not (sender.isprintable() and 1 <= len(sender) <= MAX_ID):
            raise ConfigError(f"the sender's name is {sender!r}; it must be 1 to {MAX_ID} printable characters")
        self._sender = sender or f"{printable(socket.gethostname())[:64]}-{token_hex(4)}"
        self._numbers = count()
        self._window = window
        self._resend_s = resend_s
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._pending: dict[str, _Pending] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.SNDHWM, window)
        self._socket.set(zmq.RECONNECT_IVL_MAX, 2000)
        self._socket.set(zmq.TCP_KEEPALIVE, 1)
        self._socket.set(zmq.TCP_KEEPALIVE_IDLE, 30)
        self._socket.set(zmq.IPV6, int("[" in address))
        if key is not None and server_key is not None:
            self._socket.set(zmq.CURVE_SERVERKEY, server_key.encode())
            self._socket.set(zmq.CURVE_PUBLICKEY, key.public.encode())
            self._socket.set(zmq.CURVE_SECRETKEY, key.secret.encode())
        self._refusals = self._listen_for_refusals()
        self._refusal = ""
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            reason = zmq.strerror(error.errno or 0)
            raise ConfigError(
                f"the address to send to is {address!r}, which cannot be used ({reason}); {WISH}"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, and of what has not been sent."""
        self._context.destroy(linger=0)

    def send(
        self,
        frame_id: str,
        *,
        encoded: bytes | None = None,
        image: Image | None = None,
        part: Part = NO_PART,
        captured_at: datetime | None = None,
    ) -> Acknowledgement:
        """Send one frame and wait for its answer. Give either *encoded*, the bytes of a file, or *image*, the pixels.

        Raises:
            MessageRefusedError: the frame is not one that the wire format can carry.
            ValueError: both or neither of *encoded* and *image* are given.
        """
        if encoded is not None and image is None:
            message = FrameMessage.of_file(frame_id, encoded, part=part, captured_at=captured_at)
        elif image is not None and encoded is None:
            message = FrameMessage.of_image(frame_id, image, part=part, captured_at=captured_at)
        else:
            raise ValueError("give either encoded or image")
        return next(answer for answer in self.send_all([message]) if answer.id == frame_id)

    def send_all(self, messages: Iterable[FrameMessage], *, interval_s: float = 0.0) -> Iterator[Acknowledgement]:
        """Send frames, no faster than one every *interval_s* seconds, and yield the answers as they come."""
        next_at = self._clock.monotonic()
        for message in messages:
            while (
                len(self._pending) >= self._window
                or message.header.id in self._pending
                or not all(pending.sent for pending in self._pending.values())  # the next would overtake it: a gap
            ):
                yield from self._answers(None)
            while self._clock.monotonic() < next_at:
                yield from self._answers(next_at)
            next_at = max(next_at, self._clock.monotonic() - interval_s) + interval_s
            self._start(message)
            if self._socket.poll(0):
                yield from self._answers(None)
        while self._pending:
            yield from self._answers(None)

    def _start(self, message: FrameMessage) -> None:
        now = self._clock.monotonic()
        if message.header.sequence is None:
            message = message.numbered(message.header.sender or self._sender, next(self._numbers))
        pending = _Pending(message, now + self._timeout_s, False, now, self._resend_s)
        self._pending[message.header.id] = pending
        self._send(pending, now)

    def _send(self, pending: _Pending, now: float) -> None:
        try:
            self._socket.send_multipart(pending.message.parts(), zmq.NOBLOCK, copy=False)
        except zmq.Again:  # the line takes nothing: what waits in the socket is on its way already
            pending.send_again = now + 0.1
        else:
            pending.sent = True
            pending.send_again = now + pending.pause
            pending.pause = min(pending.pause * 2, 8 * self._resend_s)

    def _answers(self, until: float | None) -> Iterator[Acknowledgement]:
        """Wait for one answer, at most until a frame is to be sent again or given up, or the time *until*."""
        times = [min(pending.send_again, pending.give_up) for pending in self._pending.values()]
        wake = min([*times, *([] if until is None else [until])])
        if self._socket.poll(max(0, int((wake - self._clock.monotonic()) * 1000) + 1)):
            try:
                answer = Acknowledgement.from_bytes(self._socket.recv_multipart()[-1])
            except MessageRefusedError:
                return  # whoever listens there is no line
            if answer.id is not None and self._pending.pop(answer.id, None) is not None:
                yield answer
            return
        self._read_refusals()
        now = self._clock.monotonic()
        for frame_id, pending in list(self._pending.items()):
            if now >= pending.give_up:
                del self._pending[frame_id]
                said = f"no answer within {self._timeout_s:g} s{self._refusal}"
                yield Acknowledgement(frame_id, "unanswered", said)
            elif now >= pending.send_again:
                self._send(pending, now)

    def _listen_for_refusals(self) -> zmq.Socket[bytes]:
        """Return a socket on which ZeroMQ says why no connection comes about."""
        address = f"inproc://refusals-{id(self)}"
        self._socket.monitor(address, sum(_REFUSALS))
        refusals = self._context.socket(zmq.PAIR)
        refusals.set(zmq.LINGER, 0)
        refusals.set(
            zmq.RCVHWM, 0
        )  # without a limit: at one that is reached, ZeroMQ's own thread would wait for a reader
        refusals.connect(address)
        return refusals

    def _read_refusals(self) -> None:
        while self._refusals.poll(0):
            event = recv_monitor_message(self._refusals)["event"]
            self._refusal = f"; {_REFUSALS[event]}" if event in _REFUSALS else self._refusal
