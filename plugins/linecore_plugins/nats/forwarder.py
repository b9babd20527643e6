"""Sink: frames into a work queue of NATS JetStream, to be judged by the workers there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from linecore.hookspecs import hookimpl
from linecore.inspection import Inspection
from linecore_plugins.nats.access import ServerOptions
from linecore_plugins.nats.message import frame_message, subject_token
from linecore_plugins.nats.outbox import Letter
from linecore_plugins.nats.sending import StreamSender
from linecore_plugins.nats.streams import MEGABYTE, Name, StreamOptions, Subject, WantedStream

if TYPE_CHECKING:
    from linecore.line import Line

HEADROOM = 8192  # bytes of headers beside the largest frame


class NatsForwarder:
    """Sends frames to be judged on other machines; a line with it needs no classifier of its own.

    What it has sent is held by the server, which gives each frame to one worker with a `nats` source.
    """

    forwards = True  # a line without a classifier is complete: its frames are judged elsewhere

    class Config(ServerOptions, StreamOptions):
        """The table of a work queue to send to."""

        stream: Name = Field("LINECORE_FRAMES", description="work queue to send to")
        subject: Subject = Field("linecore.frames", description="subject that the line's name goes below")
        raw: bool = Field(False, description="send a camera's pixels as they are, not as PNG: larger, and less work")
        largest_frame_mb: float | None = Field(
            None, gt=0, le=64, description="megabytes of a frame's file; a server that takes less is refused at start"
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self._sender: StreamSender | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Connect; a server that is away comes later."""
        config, largest = self.config, self.config.largest_frame_mb
        self._sender = StreamSender(
            config,
            WantedStream(config.stream, config.subject, config, work_queue=True),
            f"plugins.{line.plugin_name(self)}",
            largest_bytes=None if largest is None else int(largest * MEGABYTE) + HEADROOM,
        )
        self._sender.open()

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Send a batch of frames."""
        assert self._sender is not None, "start comes first"
        self._sender.publish([self._letter(one) for one in inspections])

    @hookimpl
    def stop(self) -> None:
        """Disconnect."""
        if self._sender is not None:
            self._sender.close()

    def _letter(self, inspection: Inspection) -> Letter:
        headers, payload = frame_message(inspection.frame, raw=self.config.raw)
        return Letter(f"{self.config.subject}.{subject_token(inspection.frame.line)}", headers, payload)
