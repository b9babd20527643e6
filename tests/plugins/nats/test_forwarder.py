"""Camera nodes on a real server: what the stream holds is what was captured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig

from linecore.config import LineSettings
from linecore.errors import ConfigError, ConnectionFailedError
from linecore.events import SinkFailed
from linecore.inspection import Decision
from linecore.testing import Always, Images, Listener, Recorder, grey, make_line, run
from linecore_plugins.nats.forwarder import NatsForwarder
from linecore_plugins.nats.outbox import TooLargeError
from tests.plugins.nats.lines import forward, frame_ids, left_in, options, pictures, wait_until, worker
from tests.plugins.nats.servers import ask, private_server


def received(url: str, stream: str, folder: Path) -> list[Any]:
    sink = Recorder()
    line = worker(url, stream, sink, folder)
    line.until_exhausted = True
    run(line)
    return [one.frame for one in sink.inspections]


@pytest.mark.parametrize("raw", [False, True])
def test_pixels_arrive_as_they_were(server: str, stream: str, tmp_path: Path, raw: bool) -> None:
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, shape, np.uint8) for shape in ((40, 30), (40, 30, 3))]
    forward(server, stream, images, raw=raw)
    for frame, image in zip(received(server, stream, tmp_path), images, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_a_file_arrives_byte_by_byte(server: str, stream: str, tmp_path: Path) -> None:
    files = [cv2.imencode(".jpg", grey())[1].tobytes(), b"no image at all", b""]
    forward(server, stream, files)
    assert [frame.encoded for frame in received(server, stream, tmp_path)] == files


def test_a_frame_that_was_sent_twice_is_in_the_stream_once(server: str, stream: str) -> None:
    forward(server, stream, pictures(5))
    forward(server, stream, pictures(5))
    assert left_in(server, stream) == 5


def test_a_camera_node_says_that_it_does_not_judge(server: str, stream: str) -> None:
    sink = Recorder()
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream)))
    run(make_line({"left": Images([b"not even decoded"]), "forwarder": forwarder, "sink": sink}))
    (inspection,) = sink.inspections
    assert inspection.verdict.decision is Decision.NO_RESULT
    assert inspection.verdict.reason == "not judged here: forwarded"


def test_a_line_that_judges_may_forward_too(server: str, stream: str, tmp_path: Path) -> None:
    sink = Recorder()
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream)))
    run(make_line({"left": Images([grey()]), "judge": Always(), "forwarder": forwarder, "sink": sink}))
    assert sink.inspections[0].verdict.decision is Decision.FAIL
    assert len(received(server, stream, tmp_path)) == 1


def test_a_frame_beyond_the_servers_limit_is_refused_with_its_sentence(server: str, stream: str) -> None:
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream)))
    settings = LineSettings(name="edge", drain_timeout_s=0.1)
    line = make_line({"left": Images([bytes(1_050_000)]), "forwarder": forwarder}, settings=settings)
    failed = Listener(line)
    line.start()
    error = failed.wait_for(SinkFailed)[0]
    assert isinstance(error, SinkFailed)
    assert error.error.startswith(TooLargeError.__name__)
    assert "raise max_payload in nats-server.conf" in error.error
    line.stop()


def test_a_frame_beyond_the_streams_own_limit_is_refused_with_its_sentence(server: str, stream: str) -> None:
    async def make(client: Client) -> None:
        subjects = [f"{stream.lower()}.>"]
        config = StreamConfig(stream, subjects=subjects, max_msg_size=2000, retention=RetentionPolicy.WORK_QUEUE)
        await client.jetstream().add_stream(config.evolve(discard=DiscardPolicy.NEW))

    ask(server, make)
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream)))
    settings = LineSettings(name="edge", drain_timeout_s=0.1)
    line = make_line({"left": Images([bytes(3000)]), "forwarder": forwarder}, settings=settings)
    failed = Listener(line)
    line.start()
    error = failed.wait_for(SinkFailed)[0]
    assert isinstance(error, SinkFailed)
    assert error.error == f"TooLargeError: the stream {stream} takes no message of that size; raise its max_msg_size"
    line.stop()


def test_a_dot_in_a_lines_name_is_none_in_its_subject(server: str, stream: str, tmp_path: Path) -> None:
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream)))
    run(make_line({"left": Images([grey()]), "forwarder": forwarder}, settings=LineSettings(name="mill..1.")))
    assert [frame.line for frame in received(server, stream, tmp_path)] == ["mill..1."]


def test_a_server_that_takes_less_than_the_largest_frame_is_refused_at_start(server: str, stream: str) -> None:
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream, largest_frame_mb=8)))
    with pytest.raises(ConfigError, match="largest_frame_mb needs messages of 8396800 bytes, and the server takes"):
        make_line({"forwarder": forwarder}).prepare()


def test_a_full_stream_makes_the_camera_node_wait(server: str, stream: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (100, 1000), np.uint8)
    images = [noise] * 20
    source = Images(images)
    forwarder = NatsForwarder(NatsForwarder.Config(**options(server, stream) | {"stream_mb": 1}))
    edge = make_line({"left": source, "forwarder": forwarder}, settings=LineSettings(name="edge"))
    failed = Listener(edge)
    edge.start()
    error = failed.wait_for(SinkFailed)[0]
    assert isinstance(error, SinkFailed)
    assert error.error.startswith(ConnectionFailedError.__name__)
    assert "takes nothing: maximum bytes exceeded" in error.error
    sink = Recorder()
    line = worker(server, stream, sink, tmp_path)
    line.start()
    sink.wait_for(lambda sink: len({one.frame.id for one in sink.inspections}) == 20)
    line.stop()
    assert edge.stop().recorded == 20


def test_a_camera_node_outlives_the_server(tmp_path: Path) -> None:
    with private_server(tmp_path) as server:
        source = Images(pictures(300))
        more = {"retry_max_s": 0.2, "timeout_s": 2}
        forwarder = NatsForwarder(NatsForwarder.Config(**options(server.url, "S", **more)))
        edge = make_line({"left": source, "forwarder": forwarder}, settings=LineSettings(name="edge"))
        failed = Listener(edge)
        edge.start()
        wait_until(lambda: len(source.settled) >= 50, "some frames are in the stream")
        server.stop()
        failed.wait_for(SinkFailed)
        server.start()
        wait_until(lambda: len(source.settled) == 300, "all frames are in the stream")
        edge.stop()
        assert left_in(server.url, "S") == 300
        assert {frame.id for frame in received(server.url, "S", tmp_path)} == set(frame_ids(300))
