"""A video file and an MJPEG camera on loopback, with a camera source on them."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest

from linecore.config import LineSettings
from linecore.inspection import Frame, Image
from linecore.testing import Always, Listener, Recorder, make_line
from linecore_plugins.camera.source import CameraSource

FRAMES = 20


def camera(**options: Any) -> CameraSource:
    return CameraSource(CameraSource.Config(**options), Random(1))


def picture(number: int) -> Image:
    """A picture that tells its number by its brightness, also after JPEG."""
    return np.full((48, 64, 3), 10 * number, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "strip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MJPG videos")
    for number in range(FRAMES):
        writer.write(picture(number))
    writer.release()
    return path


class Stream:
    """An MJPEG camera on loopback, which can be switched off and on, and can fall silent."""

    def __init__(self) -> None:
        self.silent = threading.Event()
        self.off = threading.Event()
        self._server: Any = None
        self.port = 0

    def switch_on(self) -> None:
        stream = self

        class Camera(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                try:
                    while not stream.off.wait(0.02):
                        if not stream.silent.is_set():
                            jpeg = cv2.imencode(".jpg", picture(number % FRAMES))[1].tobytes()
                            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                            self.wfile.write(head.encode() + jpeg + b"\r\n")
                            number += 1
                except OSError:
                    pass  # the reader has gone

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = False
            allow_reuse_address = True

        self.off.clear()
        self._server = Server(("127.0.0.1", self.port), Camera)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def switch_off(self) -> None:
        if self._server is not None:
            self.off.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None


@pytest.fixture
def stream() -> Iterator[Stream]:
    stream = Stream()
    stream.switch_on()
    try:
        yield stream
    finally:
        stream.switch_off()


@contextmanager
def serving(source: CameraSource, folder: Path) -> Iterator[tuple[Listener, Recorder]]:
    sink = Recorder()
    settings = LineSettings(name="test", workers=1, intake=1)
    line = make_line({"camera": source, "judge": Always(), "sink": sink}, folder=folder, settings=settings)
    listener = Listener(line)
    line.start()
    try:
        yield listener, sink
    finally:
        balance = line.stop()
    assert balance.balanced


def frames_of(source: CameraSource, folder: Path) -> list[Frame]:
    line = make_line({"camera": source}, folder=folder)
    line.prepare()
    try:
        return list(source.frames(threading.Event()))
    finally:
        line.release()


def brightness(frames: list[Frame]) -> list[int]:
    return [round(float(frame.image.mean()) / 10) for frame in frames]
