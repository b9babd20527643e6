"""Lines that listen on ZeroMQ, and bare sockets that talk to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import zmq

from linecore.config import LineSettings
from linecore.events import SourceConnected
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Frame
from linecore.testing import PATIENCE_S, Always, Listener, grey, make_line
from linecore_plugins.zmq.source import ZmqSource

PNG = cv2.imencode(".png", grey())[1].tobytes()
ANY_PORT = "tcp://127.0.0.1:0"


class Gate:
    """A classifier that judges nothing before it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self._judge = Always()

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        """Wait, and answer."""
        assert self.open.wait(PATIENCE_S)
        return self._judge.classify(frame)


@contextmanager
def serving(
    sink: object, folder: Path, bind: str = ANY_PORT, judge: object = None, **options: Any
) -> Iterator[tuple[str, Listener]]:
    """Run a line with one worker and room for one frame; yield the address that it listens on."""
    source = ZmqSource(ZmqSource.Config(bind=bind, **options))
    settings = LineSettings(name="test", workers=1, intake=1, worker_timeout_s=60)
    plugins = {"zmq": source, "judge": judge or Always(), "sink": sink}
    line = make_line(plugins, folder=folder, settings=settings)
    listener = Listener(line)
    line.start()
    try:
        listener.wait_for(SourceConnected)
        yield source.address, listener
    finally:
        balance = line.stop()
    assert balance.balanced


@contextmanager
def connected(address: str, kind: int = zmq.DEALER) -> Iterator[zmq.Socket[bytes]]:
    """A bare socket, as another language would have it."""
    with zmq.Context() as context, context.socket(kind) as bare:
        bare.set(zmq.LINGER, 0)
        bare.set(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
        bare.connect(address)
        yield bare


def answer(bare: zmq.Socket[bytes]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(bare.recv_multipart()[-1])
    return parsed
