"""The camera source: a device, a stream or a video file, through OpenCV."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from hashlib import blake2b
from itertools import count
from random import Random
from threading import Event as Flag
from typing import TYPE_CHECKING, Literal, Self

import cv2
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from linecore.config import LinePath, as_written
from linecore.errors import ConfigError
from linecore.events import SourceConnected, SourceDisconnected
from linecore.hookspecs import hookimpl
from linecore.inspection import Frame, Image
from linecore.text import printable
from linecore_plugins.camera.capture import (
    grey,
    live_pictures,
    masked,
    opened_device,
    opened_stream,
    recorded_pictures,
)

if TYPE_CHECKING:
    from linecore.line import Line


class CameraSource:
    """Takes frames from a camera, and comes back by itself when the camera does.

    A device or stream is live: the line inspects the newest frame, and counts those that it lets go. Its frames are
    named by the time at which the source started and a number. A video file waits for the line and runs dry at its
    end; its frames are named by the file and their number in it, so that a restart offers the same ones again.
    """

    class Config(BaseModel):
        """The table of a camera."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        device: int | None = Field(None, ge=0, description="number of a camera of this computer; 0 is /dev/video0")
        url: str | None = Field(
            None, repr=False, description="address of a stream: rtsp://, http:// or another that FFmpeg knows"
        )
        file: LinePath | None = Field(None, description="video file, inspected once from beginning to end")
        fps: float | None = Field(
            None, gt=0, description="frames a second at most; for a file, of each second of the recording"
        )
        grey: bool = Field(False, description="hand over grey frames")
        width: int | None = Field(None, ge=1, description="pixels to ask a device for; it may deliver others")
        height: int | None = Field(None, ge=1, description="pixels to ask a device for; it may deliver others")
        timeout_s: float = Field(
            5, gt=0, le=3600, description="seconds without an answer or a frame after which a stream counts as lost"
        )
        retry_s: float = Field(
            1, gt=0, description="seconds until a lost camera is tried again; doubled after each failure"
        )
        retry_max_s: float = Field(30, gt=0, description="seconds between two attempts at most")
        decode_threads: int = Field(1, ge=1, le=64, description="threads that decode a stream or file")

        _shown_url: str | None = PrivateAttr(None)

        @field_validator("url")
        @classmethod
        def _has_a_scheme(cls, url: str | None) -> str | None:
            if url is not None and "://" not in url:
                raise ValueError("it must be an address such as rtsp://host/stream; for a video file, set file")
            return url

        @model_validator(mode="after")
        def _exactly_one(self, info: ValidationInfo) -> Self:
            given = [name for name in ("device", "url", "file") if getattr(self, name) is not None]
            if len(given) != 1:
                raise ValueError(f"set exactly one of device, url and file; set are {' and '.join(given) or 'none'}")
            # As it stands in the file: a secret can be anywhere in an address, where no pattern finds it.
            self._shown_url = None if self.url is None else masked(as_written(info, "url") or self.url)
            return self

        @property
        def shown_url(self) -> str | None:
            """The stream's address for a person: without passwords, and with ${NAME} where a secret goes."""
            return self._shown_url

    def __init__(self, config: Config, random: Random | None = None) -> None:
        self.config = config
        self._random = random or Random()

    @property
    def policy(self) -> Literal["wait", "newest"]:
        """A camera does not wait for the line, a file does."""
        return "newest" if self.config.file is None else "wait"

    @property
    def address(self) -> str:
        """What is read, for a person: without passwords."""
        if self.config.shown_url is not None:
            return self.config.shown_url
        return f"device {self.config.device}" if self.config.file is None else printable(self.config.file)

    @hookimpl
    def start(self, line: Line) -> None:
        """Check that a file is there and can be read; a camera may come later."""
        self._line = line
        self._name = line.plugin_name(self)
        if self.config.file is None:
            return
        said = f"plugins.{self._name}.file is '{self.address}'"
        if not self.config.file.is_file():
            raise ConfigError(f"{said}, which does not exist; name a video file")
        with self._opened() as capture:
            if not capture.isOpened():
                raise ConfigError(f"{said}, which cannot be read as a video; name a video file")

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield frames until the file ends or *stopping* is set."""
        return self._live(stopping) if self.config.file is None else self._recorded(stopping)

    def _live(self, stopping: Flag) -> Iterator[Frame]:
        session = self._line.clock.now().strftime("%Y%m%dT%H%M%S.%fZ")
        numbers = count()
        failures = 0
        while not stopping.is_set():
            reason = "it cannot be opened"
            with self._opened() as capture:
                if capture.isOpened():
                    reason = "it delivers no frames"
                for image in live_pictures(capture, self.config.fps, self._line.clock, stopping):
                    if reason != "it ended or fell silent":
                        reason = "it ended or fell silent"
                        failures = 0
                        self._line.bus.publish(SourceConnected(self._name, self.address))
                    yield self._frame(f"{session}-{next(numbers):09d}", image)
            if stopping.is_set():
                return
            # Jitter, so that the cameras of a plant do not all come back to a switch at the same moment.
            longest = min(self.config.retry_max_s, self.config.retry_s * 2.0 ** min(failures, 30))
            pause = longest * self._random.uniform(0.5, 1)
            failures += 1
            self._line.bus.publish(SourceDisconnected(self._name, reason, pause))
            stopping.wait(pause)

    def _recorded(self, stopping: Flag) -> Iterator[Frame]:
        assert self.config.file is not None
        status = self.config.file.stat()
        name = self.config.file.name
        identity = os.fsencode(name) + f"\0{status.st_size}\0{status.st_mtime_ns}".encode()
        video = f"{printable(name)[-120:]}@{blake2b(identity, digest_size=8).hexdigest()}"
        with self._opened() as capture:
            for number, image in recorded_pictures(capture, self.config.fps, stopping):
                yield self._frame(f"{video}-{number:09d}", image)

    def _frame(self, key: str, image: Image) -> Frame:
        return self._line.frame(self, key, image=grey(image) if self.config.grey else image, origin=self.address)

    def _opened(self) -> AbstractContextManager[cv2.VideoCapture]:
        if self.config.device is not None:
            return opened_device(self.config.device, width=self.config.width, height=self.config.height)
        source = self.config.url if self.config.url is not None else self.config.file
        assert source is not None
        return opened_stream(source, timeout_s=self.config.timeout_s, threads=self.config.decode_threads)
