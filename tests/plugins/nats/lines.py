"""Lines that send frames into a work queue, and lines that take them out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from linecore.config import LineSettings
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Frame, Inspection
from linecore.line import Line
from linecore.testing import PATIENCE_S, Always, Images, grey, make_line, run
from linecore_plugins.nats.forwarder import NatsForwarder
from linecore_plugins.nats.source import NatsSource
from tests.plugins.nats.servers import ask


def options(url: str, stream: str, **more: Any) -> dict[str, Any]:
    """Return what both ends of a stream need."""
    return {"url": url, "stream": stream, "subject": stream.lower(), "stream_mb": 64, "retry_s": 0.05, **more}


def worker(url: str, stream: str, sink: object, folder: Path, judge: object | None = None, **more: Any) -> Line:
    """Make a line that takes frames from a stream; one worker, room for one frame."""
    more = {"ack_wait_s": 2, "retry_delay_s": 0.1, **more}
    source = NatsSource(NatsSource.Config(**options(url, stream, **more)))
    settings = LineSettings(name="worker", workers=1, intake=1, drain_timeout_s=10, worker_timeout_s=60)
    return make_line({"nats": source, "sink": sink, "judge": judge or Always()}, folder=folder, settings=settings)


def forward(url: str, stream: str, images: Sequence[Any], keys: Sequence[str] | None = None, **more: Any) -> Images:
    """Run a camera node until all its images are in the stream; return its source."""
    source = Images(images, keys)
    forwarder = NatsForwarder(NatsForwarder.Config(**options(url, stream, **more)))
    line = make_line({"left": source, "forwarder": forwarder}, settings=LineSettings(name="edge"))
    assert run(line).recorded == len(images)
    return source


def frame_ids(count: int) -> list[str]:
    """Return the ids of frames that `forward` has sent."""
    return [f"edge/left/{number}" for number in range(count)]


def pictures(count: int) -> list[Any]:
    """Return images that are told apart by their grey."""
    return [grey(number % 256) for number in range(count)]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something outside this process has happened."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def left_in(url: str, stream: str) -> int:
    """Return how many messages a stream holds."""

    async def look(client: Client) -> int:
        info = await client.jetstream().stream_info(stream)
        return int(info.state.messages)

    return ask(url, look)


def pending_in(url: str, stream: str) -> int:
    """Return how many messages no worker has had, or still holds; a killed server may keep one that is done."""

    async def look(client: Client) -> int:
        info = await client.jetstream().consumer_info(stream, "linecore")
        return int(info.num_pending or 0) + int(info.num_ack_pending or 0)

    return ask(url, look)


def ack_pending(url: str, stream: str) -> int:
    """Return how many messages the workers of a stream hold."""

    async def look(client: Client) -> int:
        info = await client.jetstream().consumer_info(stream, "linecore")
        return int(info.num_ack_pending or 0)

    return ask(url, look)


class SlowJudge(Always):
    """A classifier that waits until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.asked: list[str] = []

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        """Wait, and answer."""
        self.asked.append(frame.id)
        assert self.go_on.wait(PATIENCE_S)
        return super().classify(frame)


class Gate:
    """A sink that lets no frame be judged before it is opened, and so none be stored."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.stored: list[Inspection] = []

    @hookimpl
    def classify(self) -> None:
        """Wait, and leave it to the next."""
        assert self.open.wait(PATIENCE_S)

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store."""
        self.stored += inspections
