"""The camera source on real streams; one that stops comes back by itself."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from linecore.config import LineSettings
from linecore.events import FrameCaptured, FrameDropped, SourceConnected, SourceDisconnected, SourceExhausted
from linecore.hookspecs import hookimpl
from linecore.inspection import Frame
from linecore.testing import PATIENCE_S, Listener, Recorder, make_line
from tests.plugins.camera.cameras import Stream, camera, serving


def test_a_stream_is_read_without_telling_its_secrets(stream: Stream, tmp_path: Path) -> None:
    source = camera(url=f"http://user:secret@127.0.0.1:{stream.port}/video?token=secret", timeout_s=2)
    assert source.policy == "newest"
    with serving(source, tmp_path) as (listener, sink):
        sink.wait_for(lambda sink: len(sink.inspections) >= 10)
        (connected,) = listener.wait_for(SourceConnected)
    ids = [one.frame.id for one in sink.inspections]
    assert len(set(ids)) == len(ids)
    assert not [event for event in listener.events if "secret" in repr(event)]
    assert isinstance(connected, SourceConnected)
    assert connected.address == f"http://user:***@127.0.0.1:{stream.port}/video?token=***"
    assert sink.inspections[0].frame.origin == connected.address


def test_what_a_slow_line_cannot_take_is_dropped_and_counted(stream: Stream, tmp_path: Path) -> None:
    class Slow:
        """Judges nothing before it may."""

        def __init__(self) -> None:
            self.may = threading.Event()

        @hookimpl
        def classify(self, frame: Frame) -> None:
            """Wait."""
            assert self.may.wait(PATIENCE_S)

    judge, sink = Slow(), Recorder()
    source = camera(url=f"http://127.0.0.1:{stream.port}/", timeout_s=2)
    settings = LineSettings(name="test", workers=1, intake=1)
    line = make_line({"camera": source, "judge": judge, "sink": sink}, folder=tmp_path, settings=settings)
    listener = Listener(line)
    line.start()
    listener.wait_for(FrameDropped, 5)
    judge.may.set()
    balance = line.stop()
    assert balance.balanced
    assert sum(balance.dropped.values()) >= 5
    newest = max(event.frame.sequence for event in listener.of(FrameCaptured) if isinstance(event, FrameCaptured))
    assert max(one.frame.sequence for one in sink.inspections) == newest


def test_a_stopped_camera_comes_back_by_itself(stream: Stream, tmp_path: Path) -> None:
    source = camera(url=f"http://127.0.0.1:{stream.port}/", timeout_s=2, retry_s=0.05, retry_max_s=0.2)
    with serving(source, tmp_path) as (listener, sink):
        listener.wait_for(SourceConnected)
        stream.switch_off()
        lost = listener.wait_for(SourceDisconnected, 3)
        count = len(sink.inspections)
        stream.switch_on()
        listener.wait_for(SourceConnected, 2)
        sink.wait_for(lambda sink: len(sink.inspections) > count + 5)
        assert not listener.of(SourceExhausted)
    reasons = [event.reason for event in lost if isinstance(event, SourceDisconnected)]
    assert reasons[:3] == ["it ended or fell silent", "it cannot be opened", "it cannot be opened"]
    assert all(0 < event.retry_s <= 0.2 for event in lost if isinstance(event, SourceDisconnected))
    assert len({one.frame.id for one in sink.inspections}) == len(sink.inspections)


def test_a_camera_that_falls_silent_is_lost_after_its_timeout(stream: Stream, tmp_path: Path) -> None:
    source = camera(url=f"http://127.0.0.1:{stream.port}/", timeout_s=0.5, retry_s=0.05)
    with serving(source, tmp_path) as (listener, _):
        listener.wait_for(SourceConnected)
        stream.silent.set()
        listener.wait_for(SourceDisconnected)
        stream.silent.clear()
        listener.wait_for(SourceConnected, 2)


def test_attempts_come_after_longer_and_longer_pauses_up_to_a_limit(tmp_path: Path) -> None:
    source = camera(url="http://127.0.0.1:1/", retry_s=0.01, retry_max_s=0.04)
    with serving(source, tmp_path) as (listener, _):
        lost = listener.wait_for(SourceDisconnected, 6)
    pauses = [event.retry_s for event in lost if isinstance(event, SourceDisconnected)]
    for pause, longest in zip(pauses, (0.01, 0.02, 0.04, 0.04, 0.04, 0.04), strict=False):
        assert longest / 2 <= pause <= longest


def test_fps_of_a_stream_is_a_limit(stream: Stream, tmp_path: Path) -> None:
    source = camera(url=f"http://127.0.0.1:{stream.port}/", fps=5, timeout_s=2)
    with serving(source, tmp_path) as (_, sink):
        sink.wait_for(lambda sink: len(sink.inspections) >= 6)
    times = [one.frame.captured_at.timestamp() for one in sink.inspections]
    assert times[5] - times[0] > 0.9


def test_rtsp_is_asked_for_over_tcp(tmp_path: Path) -> None:
    """A camera that says what RTSP needs said, up to the transport that it is asked for."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)

        def answer() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                request: list[str] = []
                for line in lines:
                    if line.strip():
                        request.append(line.decode().strip())
                        continue
                    asked.extend(request)
                    number = next(one for one in request if one.startswith("CSeq"))
                    body = "v=0\r\ns=x\r\nm=video 0 RTP/AVP 26\r\n" if request[0].startswith("DESCRIBE") else ""
                    kind = "Public: DESCRIBE, SETUP, PLAY\r\nContent-Type: application/sdp"
                    head = f"RTSP/1.0 200 OK\r\n{number}\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                    if request[0].startswith("SETUP"):
                        return
                    connection.sendall((head + body).encode())
                    request = []

        thread = threading.Thread(target=answer)
        thread.start()
        with serving(camera(url=f"rtsp://127.0.0.1:{server.getsockname()[1]}/x", timeout_s=2), tmp_path) as (
            listener,
            _,
        ):
            listener.wait_for(SourceDisconnected)
        thread.join(PATIENCE_S)
    assert [line for line in asked if line.startswith("Transport: RTP/AVP/TCP")]


def test_a_device_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    with serving(camera(device=63, width=640, height=480, retry_s=0.01), tmp_path) as (listener, sink):
        listener.wait_for(SourceDisconnected, 2)
    assert sink.inspections == []
