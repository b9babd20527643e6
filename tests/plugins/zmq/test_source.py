"""The ZeroMQ source on real sockets: an answer means that the frame is safe."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq
from pydantic import ValidationError

from linecore.errors import ConfigError, ConnectionFailedError
from linecore.events import FrameCaptured
from linecore.inspection import Part
from linecore.testing import PATIENCE_S, Recorder, grey, make_line
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.source import ZmqSource
from linecore_plugins.zmq.wire import Acknowledgement, FrameMessage
from tests.plugins.zmq.lines import PNG, Gate, answer, connected, serving


def test_a_frame_is_acknowledged_when_it_is_judged_and_safe(tmp_path: Path) -> None:
    gate, sink = Gate(), Recorder()
    with serving(sink, tmp_path, judge=gate) as (address, _), connected(address) as bare:
        bare.send_multipart([b'{"version": 1, "id": "a", "encoding": "png"}', PNG])
        assert not bare.poll(300)
        gate.open.set()
        assert answer(bare) == {"version": 1, "id": "a", "status": "recorded", "reason": None}
    assert [one.frame.id for one in sink.inspections] == ["test/zmq/a"]


def test_a_req_socket_is_answered_too(tmp_path: Path) -> None:
    with serving(Recorder(), tmp_path) as (address, _), connected(address, zmq.REQ) as bare:
        for name in ("a", "b"):
            bare.send_multipart([json.dumps({"version": 1, "id": name, "encoding": "png"}).encode(), PNG])
            assert answer(bare)["id"] == name


def test_the_sender_of_the_documentation_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/wire.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    cv2.imwrite(str(tmp_path / "a.jpg"), grey())
    sink = Recorder()
    with serving(sink, tmp_path) as (address, _):
        command = [sys.executable, "-c", program, address, tmp_path / "a.jpg"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stdout == "recorded\n"
    assert [one.frame.id for one in sink.inspections] == ["test/zmq/demo/1"]


def test_what_is_sent_is_what_is_inspected(tmp_path: Path) -> None:
    sink = Recorder()
    colour = np.random.default_rng(1).integers(0, 256, (8, 6, 3), np.uint8)
    with serving(sink, tmp_path) as (address, _), ZmqSender(address) as sender:
        assert sender.send("a", image=colour, part=Part(coil="C7", metre=1.5)) == Acknowledgement("a", "recorded")
        assert sender.send("b", encoded=PNG).status == "recorded"
    raw, encoded = (one.frame for one in sink.inspections)
    np.testing.assert_array_equal(raw.image, colour)
    assert (raw.id, raw.part, raw.origin) == ("test/zmq/a", Part(coil="C7", metre=1.5), address)
    np.testing.assert_array_equal(encoded.image, grey())


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([b"{"], "it must have two"),
        ([b"{", PNG], "Invalid JSON"),
        ([b'{"version": 1, "id": "a", "encoding": "png"}', PNG, b""], "it must have two"),
        ([b'{"version": 1, "id": "a", "encoding": "gif"}', PNG], "encoding: it must be"),
        ([b'{"version": 1, "id": "a", "encoding": "png"}', bytes(100_000)], "this line takes up to 65536"),
        ([b'{"version": 1, "id": "a", "encoding": "raw", "shape": [9, 9], "dtype": "uint8"}', PNG], "needs 81"),
    ],
)
def test_a_wrong_message_is_refused_with_its_reason(tmp_path: Path, parts: list[bytes], reason: str) -> None:
    with serving(Recorder(), tmp_path, max_message_mb=1 / 16) as (address, listener), connected(address) as bare:
        bare.send_multipart(parts)
        refused = answer(bare)
        assert refused["status"] == "refused"
        assert reason in refused["reason"]
        bare.send_multipart([b'{"version": 1, "id": "good", "encoding": "png"}', PNG])
        assert answer(bare)["status"] == "recorded"
        assert len(listener.of(FrameCaptured)) == 1


def test_a_frame_sent_again_is_inspected_once_and_answered_each_time(tmp_path: Path) -> None:
    gate, sink = Gate(), Recorder()
    message = FrameMessage.of_file("a", PNG).parts()
    with (
        serving(sink, tmp_path, judge=gate) as (address, listener),
        connected(address) as one,
        connected(address) as two,
    ):
        one.send_multipart(message)
        listener.wait_for(FrameCaptured)
        one.send_multipart(message)
        two.send_multipart(message)
        gate.open.set()
        assert [answer(bare)["id"] for bare in (one, one, two)] == ["a"] * 3
        two.send_multipart(message)
        assert answer(two)["status"] == "recorded"
        assert len(listener.of(FrameCaptured)) == 1
    assert [one.frame.id for one in sink.inspections] == ["test/zmq/a"]


def test_a_sender_is_held_back_while_the_line_is_full(tmp_path: Path) -> None:
    gate = Gate()
    noise = np.random.default_rng(1).integers(0, 256, (1000, 1000), np.uint8)
    with serving(Recorder(), tmp_path, judge=gate, high_water=1) as (address, _), connected(address) as bare:
        bare.set(zmq.SNDHWM, 1)
        sent = 0
        while bare.poll(500, zmq.POLLOUT):
            bare.send_multipart(FrameMessage.of_image(str(sent), noise).parts())
            sent += 1
            assert sent < 1000, "nothing held the sender back"
        gate.open.set()
        assert len({answer(bare)["id"] for _ in range(sent)}) == sent


def test_the_last_answers_go_out_while_the_line_stops(tmp_path: Path) -> None:
    gate = Gate()
    with ExitStack() as running:
        address, listener = running.enter_context(serving(Recorder(), tmp_path, judge=gate))
        with connected(address) as bare:
            bare.send_multipart(FrameMessage.of_file("a", PNG).parts())
            listener.wait_for(FrameCaptured)
            stopping = threading.Thread(target=running.close)
            stopping.start()
            gate.open.set()
            assert answer(bare)["status"] == "recorded"
            stopping.join(PATIENCE_S)


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        line = make_line({"in": ZmqSource(ZmqSource.Config(bind=bind))}, folder=tmp_path)
        with pytest.raises(
            ConnectionFailedError, match=rf"^line\.toml: plugins\.in\.bind is '{bind}', which another program uses"
        ):
            line.prepare()


@pytest.mark.parametrize(
    ("bind", "sentence"),
    [
        ("tcp://*:5570", "which other computers can reach"),
        ("tcp://0.0.0.0:5570", "which other computers can reach"),
        ("tcp://[::]:5570", "which other computers can reach"),
        ("ipc:///nowhere/at/all.sock", "which cannot be bound"),
    ],
)
def test_an_address_that_cannot_or_must_not_be_bound_is_one_sentence(tmp_path: Path, bind: str, sentence: str) -> None:
    line = make_line({"in": ZmqSource(ZmqSource.Config(bind=bind))}, folder=tmp_path)
    with pytest.raises(ConfigError, match=rf"^line\.toml: plugins\.in\.bind is .*{sentence}"):
        line.prepare()


def test_an_address_of_another_computer_cannot_be_bound(tmp_path: Path) -> None:
    source = ZmqSource(ZmqSource.Config(bind="tcp://192.0.2.1:5570", insecure=True))  # kept free for examples
    with pytest.raises(ConfigError, match=r"which cannot be bound \(Cannot assign requested address\)"):
        make_line({"in": source}, folder=tmp_path).prepare()


@pytest.mark.parametrize("bind", ["5570", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "udp://127.0.0.1:5570", "ipc://"])
def test_what_is_no_address_is_refused(bind: str) -> None:
    with pytest.raises(ValidationError, match=r"it must look like tcp://127\.0\.0\.1:5570"):
        ZmqSource.Config(bind=bind)


def test_other_computers_may_send_when_that_is_asked_for(tmp_path: Path) -> None:
    with (
        serving(Recorder(), tmp_path, "tcp://0.0.0.0:0", insecure=True) as (address, _),
        ZmqSender(address.replace("0.0.0.0", "127.0.0.1")) as sender,
    ):
        assert sender.send("a", encoded=PNG).status == "recorded"


def test_it_listens_on_a_unix_socket_and_on_ipv6(tmp_path: Path) -> None:
    binds = [f"ipc://{tmp_path}/in.sock"]
    if socket.has_ipv6 and Path("/proc/net/if_inet6").read_text().strip():
        binds.append("tcp://[::1]:0")
    for bind in binds:
        with serving(Recorder(), tmp_path, bind) as (address, _), ZmqSender(address) as sender:
            assert sender.send("a", encoded=PNG).status == "recorded"
