"""The ZeroMQ source: frames that other programs push, each acknowledged when it is safe."""

from __future__ import annotations

import errno
from collections import OrderedDict, deque
from collections.abc import Iterator
from threading import Event as Flag
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self

import zmq
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from linecore.config import LinePath
from linecore.errors import ConfigError, ConnectionFailedError
from linecore.events import SourceConnected
from linecore.hookspecs import hookimpl
from linecore.inspection import Frame
from linecore.ledger import Outcome
from linecore_plugins.zmq.address import WISH, is_address, is_local
from linecore_plugins.zmq.keys import AllowList, KeyPair
from linecore_plugins.zmq.server import Delivery, Envelope, ZmqServer
from linecore_plugins.zmq.wire import Acknowledgement

if TYPE_CHECKING:
    from linecore.line import Line

REMEMBERED = 4096
"""Frames recorded last: one that is sent again because its answer was lost or late is answered, not inspected again."""

IMPATIENCE = 64
"""Messages of one frame that are answered at most: who sends it more often while it is on its way hears of the last."""


class ZmqSource:
    """Takes frames that other programs push, and answers each one when it is settled; docs/wire.md has the format.

    The sender's id is the frame's key: the same id is the same frame, however often it is sent. The line takes a
    message when it has room for one; until then ZeroMQ holds the sender back.
    """

    policy: Literal["wait", "newest"] = "wait"

    class Config(BaseModel):
        """The table of a ZeroMQ socket."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        bind: str = Field("tcp://127.0.0.1:5570", description="address to receive on: tcp://HOST:PORT or ipc://FILE")
        secret_key: LinePath | None = Field(
            None, description="file of the line's own key, NAME.secret of `linecore keys new`; with allowed_keys"
        )
        allowed_keys: LinePath | None = Field(
            None, description="file of the keys that may send, a line `public-key name` for each; with secret_key"
        )
        insecure: bool = Field(
            False,
            description="let other computers send without keys: nothing is encrypted, and whoever reaches the port may "
            "send whatever frames",
        )
        max_message_mb: float = Field(64, gt=0, le=1024, description="megabytes of an image; a larger one is refused")
        high_water: int = Field(16, ge=1, le=10_000, description="messages of each sender that wait in memory at most")

        @field_validator("bind")
        @classmethod
        def _is_an_address(cls, bind: str) -> str:
            if not is_address(bind):
                raise ValueError(WISH)
            return bind

        @model_validator(mode="after")
        def _keys_go_together(self) -> Self:
            if (self.secret_key is None) != (self.allowed_keys is None):
                raise ValueError("secret_key and allowed_keys go together; set both")
            if self.insecure and self.secret_key is not None:
                raise ValueError("insecure = true and keys contradict each other; remove one")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        self._server: ZmqServer | None = None
        self._keys: tuple[KeyPair, AllowList] | None = None
        self._waiting: dict[str, deque[Envelope]] = {}  # id -> who waits to hear of a frame that is not settled
        self._recorded: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    @property
    def address(self) -> str:
        """Where the source listens; with port 0 in ``bind``, the port that the system has chosen."""
        assert self._server is not None
        return self._server.address

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said against the options."""
        if self._keys is not None and not self._keys[1]:
            return ("allowed_keys names no key, so nobody may send",)
        if self.config.insecure:
            return (f"insecure = true: whoever reaches {self.config.bind} may send frames, and read them on their way",)
        return ()

    @hookimpl
    def start(self, line: Line) -> None:
        """Bind the address."""
        self._line = line
        self._name = line.plugin_name(self)
        key = f"plugins.{self._name}"
        bind = self.config.bind
        if self.config.secret_key is None and not self.config.insecure and not is_local(bind):
            raise ConfigError(
                f"{key}.bind is '{bind}', which other computers can reach; set secret_key and allowed_keys (see docs/"
                "wire.md), bind 127.0.0.1, or set insecure = true"
            )
        self._keys = self._read_keys(key)
        try:
            self._server = ZmqServer(
                bind,
                max_bytes=int(self.config.max_message_mb * 1024 * 1024),
                high_water=self.config.high_water,
                keys=self._keys,
            )
        except zmq.ZMQError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConnectionFailedError(
                    f"{key}.bind is '{bind}', which another program uses; stop that program or name another port"
                ) from None
            reason = zmq.strerror(error.errno or 0)
            raise ConfigError(
                f"{key}.bind is '{bind}', which cannot be bound ({reason}); name an address of this computer"
            ) from None

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield the frames that are sent."""
        assert self._server is not None
        self._server.take_messages(True)
        self._line.bus.publish(SourceConnected(self._name, self.address))
        try:
            while not stopping.is_set():
                delivery = self._server.fetch(timeout=0.2)
                if delivery is not None and self._is_new(delivery):
                    yield self._frame(delivery)
        finally:
            self._server.take_messages(False)

    @hookimpl
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        """Answer every message of the frame."""
        assert self._server is not None
        key = frame.id.removeprefix(f"{frame.line}/{frame.source}/")
        with self._lock:
            envelopes = self._waiting.pop(key, ())
            if outcome.recorded:
                self._recorded[key] = None
                if len(self._recorded) > REMEMBERED:
                    self._recorded.popitem(last=False)
        status: Literal["recorded", "dropped"] = "recorded" if outcome.recorded else "dropped"
        for envelope in envelopes:
            self._server.answer(envelope, Acknowledgement(key, status, outcome.dropped))

    @hookimpl
    def stop(self) -> None:
        """Send the last answers and release the address."""
        if self._server is not None:
            self._server.close()

    def _read_keys(self, key: str) -> tuple[KeyPair, AllowList] | None:
        if self.config.secret_key is None or self.config.allowed_keys is None:
            return None
        try:
            pair = KeyPair.read(self.config.secret_key)
        except ConfigError as error:
            raise ConfigError(f"{key}.secret_key: {error}") from None
        try:
            return pair, AllowList(self.config.allowed_keys)
        except ConfigError as error:
            raise ConfigError(f"{key}.allowed_keys: {error}") from None

    def _is_new(self, delivery: Delivery) -> bool:
        assert self._server is not None
        key = delivery.message.header.id
        with self._lock:
            if key in self._waiting:
                self._waiting[key].append(delivery.envelope)  # its sender was impatient: one settlement answers both
                return False
            if key not in self._recorded:
                self._waiting[key] = deque([delivery.envelope], IMPATIENCE)
                return True
        self._server.answer(delivery.envelope, Acknowledgement(key, "recorded"))
        return False

    def _frame(self, delivery: Delivery) -> Frame:
        message = delivery.message
        return self._line.frame(
            self,
            message.header.id,
            image=message.image,
            encoded=message.encoded,
            captured_at=message.header.captured_at,
            part=message.part,
            origin=f"{self.address} {delivery.sender}" if delivery.sender else self.address,
            sequence=message.header.sequence,
            stream=message.header.sender or delivery.sender or "",
        )
