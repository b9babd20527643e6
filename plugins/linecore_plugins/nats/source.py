"""Source: frames that other machines have put into a work queue of NATS JetStream, shared with other workers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from threading import Event as Flag
from threading import Lock
from typing import TYPE_CHECKING, Literal

from nats.aio.client import Client
from pydantic import Field

from linecore.errors import ConnectionFailedError
from linecore.events import SourceConnected, SourceDisconnected
from linecore.hookspecs import hookimpl
from linecore.inspection import NOT_DECODED, Frame
from linecore.ledger import Outcome
from linecore_plugins.nats.access import ServerOptions, check_access
from linecore_plugins.nats.connection import NatsConnection, Ready
from linecore_plugins.nats.dead_letters import bury, dead_letter_stream
from linecore_plugins.nats.deliveries import Deliveries, Delivery
from linecore_plugins.nats.message import read_frame
from linecore_plugins.nats.streams import Name, StreamOptions, Subject, WantedStream, ensure_consumer, ensure_stream
from linecore_plugins.zmq.header import MessageRefusedError

if TYPE_CHECKING:
    from linecore.line import Line

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2


class NatsSource:
    """Takes frames that `nats_forwarder` of other machines has sent; any number of workers share one stream.

    A frame keeps the id, the line and the source that it got where it was captured. It leaves the stream when it is
    safe here. What a worker holds when it dies, or cannot record, goes to another one.
    """

    policy: Literal["wait", "newest"] = "wait"

    class Config(ServerOptions, StreamOptions):
        """The table of a work queue."""

        stream: Name = Field("LINECORE_FRAMES", description="work queue to take from")
        subject: Subject = Field("linecore.frames", description="subject that the stream holds, with all below it")
        consumer: Name = Field("linecore", description="durable consumer; the same for all workers that share the work")
        max_ack_pending: int = Field(
            256,
            ge=1,
            le=100_000,
            description="frames that all workers together may hold; the others wait in the stream",
        )
        prefetch: int = Field(2, ge=1, le=1000, description="frames that this worker takes before it has room for them")
        ack_wait_s: float = Field(
            30, ge=1, le=86_400, description="seconds after which another worker gets what one that died has held"
        )
        hold_s: float = Field(
            600, gt=0, description="seconds that a frame may take here; another worker may have it then"
        )
        ack_after_s: float = Field(
            30,
            ge=0,
            le=86_400,
            description="seconds that a frame waits for every sink before it counts as safe in this worker's journal "
            "alone; another worker gets what one that died has not delivered by then. 0: the journal is enough",
        )
        retry_delay_s: float = Field(
            5, ge=0, le=86_400, description="seconds until a frame that was dropped here is delivered again"
        )
        max_deliver: int = Field(
            5,
            ge=1,
            description="times that a frame is tried; then it is recorded as NO_RESULT and kept as a dead letter",
        )

    @property
    def settle_after_s(self) -> float | None:
        """Seconds that the line waits for every sink before it settles a frame on the word of its journal."""
        return self.config.ack_after_s or None

    def __init__(self, config: Config) -> None:
        self.config = config
        self.refused = 0  # messages that were no frames
        self.buried = 0  # frames that had been delivered too often
        self._stream = WantedStream(config.stream, config.subject, config, work_queue=True)
        self._dead = dead_letter_stream(config.stream, config.subject, config)
        self._deliveries = Deliveries(
            config.stream,
            config.consumer,
            prefetch=config.prefetch,
            ack_wait_s=config.ack_wait_s,
            hold_s=config.hold_s,
        )
        self._waiting: dict[str, list[Delivery]] = {}  # id -> every delivery of a frame that is not settled
        self._lock = Lock()
        self._connection: NatsConnection | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Connect; a server that is away comes later."""
        self._line = line
        self._name = name = line.plugin_name(self)
        self._key = f"plugins.{name}"
        address = self.config.address
        check_access(self.config, self._key)
        self._connection = NatsConnection(
            self.config,
            self._session,
            key=self._key,
            connected=lambda: line.bus.publish(SourceConnected(name, address)),
            lost=lambda reason, retry_s: line.bus.publish(SourceDisconnected(name, reason, retry_s)),
        )
        self._deliveries.use(self._connection)
        self._connection.open()

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield the frames of the stream."""
        self._deliveries.want(True)
        try:
            while not stopping.is_set():
                delivery = self._deliveries.next(LOOK_EVERY_S)
                if delivery is not None:
                    frame = self._read(delivery)
                    if frame is not None:
                        yield frame
                elif self._line.until_exhausted and self._is_dry():
                    return
        finally:
            self._deliveries.want(False)

    @hookimpl
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        """Take a safe frame off the stream; let one that was dropped come again."""
        with self._lock:
            deliveries = self._waiting.pop(frame.id, [])
        for delivery in deliveries:
            if outcome.recorded:
                self._deliveries.acknowledge(delivery)
            else:
                self._deliveries.give_back(delivery, self.config.retry_delay_s)

    @hookimpl
    def stop(self) -> None:
        """Let another worker have what was not settled, and disconnect."""
        if self._connection is not None:
            self._deliveries.give_back_all()
            self._connection.close()

    async def _session(self, client: Client, ready: Ready) -> None:
        js = client.jetstream(timeout=self.config.timeout_s)
        await ensure_stream(js, self._stream, self._key)
        await ensure_stream(js, self._dead, self._key)
        await ensure_consumer(
            js,
            self.config.stream,
            self.config.consumer,
            ack_wait_s=self.config.ack_wait_s,
            max_ack_pending=self.config.max_ack_pending,
            key=self._key,
        )
        await self._deliveries.session(client, js, ready)

    def _is_dry(self) -> bool:
        assert self._connection is not None
        try:
            return self._deliveries.dry()
        except ConnectionFailedError:
            return False

    def _read(self, delivery: Delivery) -> Frame | None:
        """Return the frame of a delivery; None where it is none, or is on its way already."""
        try:
            frame = read_frame(delivery.message.headers, delivery.message.data)
        except MessageRefusedError as error:
            if self._bury(delivery, f"no frame: {error}"):
                self.refused += 1
                self._deliveries.terminate(delivery)
            return None
        if delivery.number > self.config.max_deliver:
            reason = f"delivered {delivery.number - 1} times, and no worker has settled it"
            if not self._bury(delivery, reason):
                return None
            if delivery.number > 2 * self.config.max_deliver:  # not even its NO_RESULT can be recorded
                self._deliveries.terminate(delivery)
                return None
            self.buried += 1
            # Without its picture, which may be what has ended the workers before.
            frame = replace(frame, image=NOT_DECODED, encoded=None, unfit=reason)
        with self._lock:
            known = frame.id in self._waiting
            self._waiting.setdefault(frame.id, []).append(delivery)
        return None if known else frame  # it came again while it is worked on: one settlement answers all

    def _bury(self, delivery: Delivery, reason: str) -> bool:
        """Keep a copy as a dead letter; False where that was not possible now, and the message comes again."""
        assert self._connection is not None
        try:
            self._connection.run(lambda client: bury(client, self._dead, delivery, reason))
        except ConnectionFailedError as error:
            logger.warning("%s: message %d is not kept yet: %s", self._key, delivery.sequence, error)
            self._deliveries.give_back(delivery, self.config.retry_delay_s)
            return False
        said = f"message {delivery.sequence} went to {self._dead.name}: {reason}"
        logger.warning("%s: %s", self._key, said)
        self._line.log(self, "message buried", said, {"message": delivery.sequence, "subject": self._dead.name})
        return True
