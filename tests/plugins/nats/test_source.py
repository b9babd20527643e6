"""The work queue on a real server: each frame to one worker, and none of them lost."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import numpy as np
import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg

from linecore.events import FrameCaptured, PluginFailed, SourceConnected, SourceDisconnected
from linecore.inspection import Decision, Frame, Part
from linecore.ledger import Outcome
from linecore.line import Line
from linecore.testing import Always, Listener, Recorder, make_line, run
from linecore_plugins.nats.dead_letters import DELIVERIES, REASON
from linecore_plugins.nats.message import HEADER, frame_message
from linecore_plugins.nats.source import NatsSource
from tests.plugins.nats.lines import (
    Gate,
    SlowJudge,
    ack_pending,
    forward,
    frame_ids,
    left_in,
    options,
    pending_in,
    pictures,
    wait_until,
    worker,
)
from tests.plugins.nats.servers import ask, private_server


def run_dry(line: Line) -> None:
    line.until_exhausted = True
    assert run(line).balanced


def publish(url: str, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
    async def send(client: Client) -> None:
        await client.jetstream().publish(subject, payload, headers=headers)

    ask(url, send)


def dead_letters(url: str, stream: str) -> list[RawStreamMsg]:
    async def read(client: Client) -> list[RawStreamMsg]:
        js = client.jetstream()
        state = (await js.stream_info(f"{stream}_DEAD")).state
        return [await js.get_msg(f"{stream}_DEAD", number + state.first_seq) for number in range(state.messages)]

    return ask(url, read)


def test_what_a_camera_node_sends_is_inspected_once_under_its_own_name(
    server: str, stream: str, tmp_path: Path
) -> None:
    images = pictures(20)
    forward(server, stream, images)
    sink = Recorder()
    run_dry(worker(server, stream, sink, tmp_path))
    frames = [one.frame for one in sink.inspections]
    assert [frame.id for frame in frames] == frame_ids(20)
    assert {(frame.line, frame.source) for frame in frames} == {("edge", "left")}
    assert [frame.sequence for frame in frames] == list(range(20))
    for frame, image in zip(frames, images, strict=True):
        np.testing.assert_array_equal(frame.image, image)
    assert left_in(server, stream) == 0


def test_two_workers_share_the_frames(server: str, stream: str, tmp_path: Path) -> None:
    forward(server, stream, pictures(60))
    first, second = Recorder(), Recorder()
    judges = SlowJudge(), SlowJudge()
    lines = [
        worker(server, stream, sink, tmp_path / str(at), judge)
        for at, (sink, judge) in enumerate(zip((first, second), judges, strict=True))
    ]
    for line in lines:
        line.until_exhausted = True
        line.start()
    # However long the second takes to start, the first has not finished by itself meanwhile.
    wait_until(lambda: all(judge.asked for judge in judges), "each has a frame")
    for judge in judges:
        judge.go_on.set()
    for line in lines:
        assert line.exhausted.wait(20)
        assert line.stop().balanced
    assert first.inspections and second.inspections
    ids = [one.frame.id for one in (*first.inspections, *second.inspections)]
    assert sorted(ids) == sorted(frame_ids(60))


def test_a_frame_leaves_the_stream_when_it_is_safe(server: str, stream: str, tmp_path: Path) -> None:
    forward(server, stream, pictures(1))
    gate = Gate()
    line = worker(server, stream, gate, tmp_path)
    captured = Listener(line)
    line.start()
    captured.wait_for(FrameCaptured)
    assert (left_in(server, stream), ack_pending(server, stream)) == (1, 1)
    gate.open.set()
    wait_until(lambda: left_in(server, stream) == 0, "the frame has left the stream")
    line.stop()


def test_a_frame_that_takes_long_is_not_given_to_another(server: str, stream: str, tmp_path: Path) -> None:
    """Longer than ack_wait_s: it is renewed meanwhile."""
    forward(server, stream, pictures(1))
    judge, other = SlowJudge(), Recorder()
    slow = worker(server, stream, Recorder(), tmp_path / "1", judge, ack_wait_s=1)
    idle = worker(server, stream, other, tmp_path / "2", ack_wait_s=1)
    slow.start()
    wait_until(lambda: bool(judge.asked), "the slow worker has the frame")
    idle.start()
    judge.go_on.wait(3)  # three times ack_wait_s
    judge.go_on.set()
    wait_until(lambda: left_in(server, stream) == 0, "the frame is safe")
    assert slow.stop().recorded == 1
    idle.stop()
    assert other.inspections == []


def test_no_more_is_taken_than_max_ack_pending(server: str, stream: str, tmp_path: Path) -> None:
    forward(server, stream, pictures(30))
    gate = Gate()
    line = worker(server, stream, gate, tmp_path, max_ack_pending=4, prefetch=10)
    captured = Listener(line)
    line.start()
    captured.wait_for(FrameCaptured)
    wait_until(lambda: ack_pending(server, stream) == 4, "all that may be taken is taken")
    assert len(captured.of(FrameCaptured)) <= 4
    gate.open.set()
    wait_until(lambda: left_in(server, stream) == 0, "all frames are safe")
    assert line.stop().recorded == 30


def test_a_dropped_frame_comes_again_after_a_while(server: str, stream: str, tmp_path: Path) -> None:
    forward(server, stream, pictures(1))
    source = NatsSource(NatsSource.Config(**options(server, stream, retry_delay_s=0.5)))
    line = make_line({"nats": source}, folder=tmp_path)
    line.prepare()
    frames = source.frames(line.exhausted)
    first = next(frames)
    source.settle(first, Outcome(dropped="internal error"))
    assert next(frames).id == first.id
    assert ack_pending(server, stream) == 1
    frames.close()  # type: ignore[attr-defined]
    line.release()


def test_what_a_stopped_worker_has_not_finished_goes_to_another_at_once(
    server: str, stream: str, tmp_path: Path
) -> None:
    forward(server, stream, pictures(3))
    source = NatsSource(NatsSource.Config(**options(server, stream, ack_wait_s=300)))
    line = make_line({"nats": source}, folder=tmp_path)
    line.prepare()
    frames = source.frames(line.exhausted)
    assert next(frames).id == frame_ids(1)[0]
    frames.close()  # type: ignore[attr-defined]
    line.release()
    sink = Recorder()
    run_dry(worker(server, stream, sink, tmp_path, ack_wait_s=300))
    assert sorted(one.frame.id for one in sink.inspections) == frame_ids(3)


def test_a_frame_that_nobody_survives_ends_as_no_result_and_dead_letter(
    server: str, stream: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forward(server, stream, pictures(1))
    source = NatsSource(NatsSource.Config(**options(server, stream, retry_delay_s=0, max_deliver=3)))
    line = make_line({"nats": source}, folder=tmp_path)
    line.prepare()
    frames = source.frames(line.exhausted)
    for _ in range(3):
        source.settle(next(frames), Outcome(dropped="internal error"))
    frames.close()  # type: ignore[attr-defined]
    line.release()
    sink = Recorder()
    with caplog.at_level(logging.WARNING):
        run_dry(worker(server, stream, sink, tmp_path, max_deliver=3))
    (inspection,) = sink.inspections
    assert inspection.frame.id == frame_ids(1)[0]
    assert inspection.verdict.decision is Decision.NO_RESULT
    assert inspection.verdict.reason is not None
    assert "times, and no worker has settled it" in inspection.verdict.reason
    assert left_in(server, stream) == 0
    (letter,) = dead_letters(server, stream)
    assert letter.headers is not None
    assert letter.headers[REASON] == inspection.verdict.reason
    assert int(letter.headers[DELIVERIES]) >= 4
    assert letter.data  # the picture is there for a person to look at
    assert "went to" in caplog.text


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (None, "no header"),
        ({HEADER: "{"}, "Invalid JSON"),
        ({HEADER: '{"version": 1, "id": "a"}'}, "line is missing"),
        ({HEADER: '{"version": 2}'}, "version"),
        (
            {
                HEADER: '{"version": 1, "id": "x/left/1", "line": "edge", "source": "left", "sequence": 0, '
                '"captured_at": "2026-01-01T00:00:00Z", "encoding": "file"}'
            },
            "id must begin with edge/left/",
        ),
        (
            {
                HEADER: '{"version": 1, "id": "edge/left/1", "line": "edge", "source": "left", "sequence": 0, '
                '"captured_at": "2026-01-01T00:00:00Z", "encoding": "raw", "shape": [9, 9]}'
            },
            "needs 81",
        ),
    ],
)
def test_what_is_no_frame_is_kept_with_its_reason(
    server: str, stream: str, tmp_path: Path, headers: dict[str, str] | None, reason: str
) -> None:
    forward(server, stream, pictures(1))
    publish(server, f"{stream.lower()}.edge", b"a payload", headers)
    sink = Recorder()
    run_dry(worker(server, stream, sink, tmp_path))
    assert [one.frame.id for one in sink.inspections] == frame_ids(1)
    assert left_in(server, stream) == 0
    (letter,) = dead_letters(server, stream)
    assert letter.data == b"a payload"
    assert letter.headers is not None and reason in letter.headers[REASON]


def test_a_frame_that_came_twice_is_settled_for_both(server: str, stream: str, tmp_path: Path) -> None:
    """A camera node that was not told sends again, later than the server remembers."""
    frame = Frame("edge/left/a", "edge", "left", 0, make_line({"j": Always()}).clock.now(), pictures(1)[0], part=Part())
    headers, payload = frame_message(frame)
    gate = Gate()
    line = worker(server, stream, gate, tmp_path)
    captured = Listener(line)
    line.start()
    for number in range(2):
        publish(server, f"{stream.lower()}.edge", payload, {**headers, "Nats-Msg-Id": str(number)})
    captured.wait_for(FrameCaptured)
    wait_until(lambda: ack_pending(server, stream) == 2, "both have been taken")
    gate.open.set()
    wait_until(lambda: left_in(server, stream) == 0, "both have left the stream")
    assert line.stop().captured == 1
    assert [one.frame.id for one in gate.stored] == ["edge/left/a"]


def test_a_worker_outlives_the_server(tmp_path: Path) -> None:
    """The server is killed under load and comes back: nothing is lost, nothing is there twice."""
    with private_server(tmp_path) as server:
        forward(server.url, "S", pictures(300))
        sink = Recorder()
        line = worker(server.url, "S", sink, tmp_path, retry_max_s=0.2)
        listener = Listener(line)
        line.start()
        sink.wait_for(lambda sink: len(sink.inspections) >= 50)
        server.stop()
        listener.wait_for(SourceDisconnected)
        server.start()
        listener.wait_for(SourceConnected, 2)
        wait_until(lambda: pending_in(server.url, "S") == 0, "all frames are safe")
        balance = line.stop()
    assert balance.balanced and not balance.dropped
    assert {one.frame.id for one in sink.inspections} == set(frame_ids(300))


def test_a_server_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    with private_server(tmp_path) as server:
        server.stop()
        line = worker(server.url, "S", Recorder(), tmp_path, retry_max_s=0.2)
        listener = Listener(line)
        line.start()
        listener.wait_for(SourceDisconnected)
        server.start()
        listener.wait_for(SourceConnected)
        line.stop()


def test_a_line_stops_while_a_server_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        line = worker(url, "S", Recorder(), tmp_path, timeout_s=1, retry_max_s=0.05)
        listener = Listener(line)
        line.start()
        reason = listener.wait_for(SourceDisconnected)[0]
        assert isinstance(reason, SourceDisconnected) and reason.reason == "no answer in time"
        line.stop()
        assert not listener.of(PluginFailed)
