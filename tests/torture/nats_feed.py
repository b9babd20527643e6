"""Frames through a work queue of JetStream: a camera node of linecore's own sends them, and is not what is killed."""

from __future__ import annotations

from pathlib import Path

from tests.torture.feeds import FolderFeed
from tests.torture.nats_server import NatsServer
from tests.torture.patience import becomes_true
from tests.torture.served import ServedLine

STREAM = "LINECORE_FRAMES"
EMPTY_S = 60.0

EDGE = """
[line]
name = "edge"

{source}
[plugins.nats_forwarder]
url = "{url}"
"""


class NatsFeed:
    """A camera node whose folder fills, *rate* frames a second, and which forwards them to a server of the feed's own.

    A worker that dies holds frames for two seconds; how often one was tried does not matter, since nothing is wrong
    with any of them.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        node = folder / "edge"
        node.mkdir()
        self._server = NatsServer(folder)
        self._camera = FolderFeed(node, rate)
        path = node / "line.toml"
        path.write_text(EDGE.format(source=self._camera.table, url=self._server.url))
        self._line = ServedLine(path)
        self.table = f'[plugins.nats]\nurl = "{self._server.url}"\nack_wait_s = 2\nmax_deliver = 1000\n'

    def start(self) -> None:
        """Begin."""
        self._server.start()
        self._line.start()
        self._camera.start()

    def stop(self) -> None:
        """Add no more."""
        self._camera.stop()

    def added(self) -> int:
        """Return how many frames there have been."""
        return self._camera.added()

    def end(self) -> bool:
        """Stop node and server; False where the work queue still holds a frame: then no worker has said it is safe."""
        self._camera.end()
        empty = becomes_true(lambda: self._server.messages(STREAM) == 0, EMPTY_S if self._line.running else 0)
        self._line.kill()
        self._server.stop()
        return empty
