"""Whatever is sent, each message is a refusal with its reason, the memory is bounded, and the next sender is served."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from linecore.events import FrameCaptured
from linecore.process import usage
from linecore.testing import PATIENCE_S, Recorder
from linecore_plugins.zmq.header import LONGEST_SENTENCE, MessageRefusedError
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.wire import FrameMessage
from tests.plugins.zmq.lines import PNG, Gate, answer, connected, serving

MIB = 1024 * 1024
GOOD = b'{"version": 1, "id": "a", "encoding": "png"}'


def header(**keys: object) -> bytes:
    return json.dumps({"version": 1, "id": "a", "encoding": "png", **keys}).encode()


@contextmanager
def memory_stays_below(mb: int) -> Iterator[None]:
    before = usage().resident
    yield
    grown = (usage().resident - before) / MIB
    assert grown < mb, f"the process has grown by {grown:.0f} MB"


def still_serves(address: str) -> bool:
    with ZmqSender(address, timeout_s=PATIENCE_S) as sender:
        return sender.send("afterwards", encoded=PNG).status == "recorded"


REFUSED: dict[str, tuple[list[bytes], str]] = {
    "one part": ([GOOD], "has 1 parts"),
    "three parts": ([GOOD, PNG, PNG], "has 3 parts"),
    "a thousand parts": ([b"x"] * 1000, "has 1000 parts"),
    "empty parts": ([b"", b"", b""], "EOF while parsing"),
    "no JSON": ([b"hello", PNG], "Invalid JSON"),
    "binary": ([os.urandom(500), PNG], "Invalid JSON"),
    "deep lists": ([b"[" * 60_000 + b"]" * 4000, PNG], "recursion limit exceeded"),
    "deep tables": ([b'{"part":' * 5000, PNG], "recursion limit exceeded"),
    "a list": ([b"[1]", PNG], "it must be an object"),
    "a header too long": ([b" " * 70_000 + GOOD, PNG], "the header has 70044 bytes"),
    "an image too large": ([GOOD, bytes(100_000)], "this line takes up to 65536"),
    "no image": ([GOOD, b""], "the image part is empty"),
    "another dtype": ([header(encoding="raw", shape=[2, 2], dtype="float32"), bytes(16)], "dtype: it must be 'uint8'"),
    "a pickled dtype": ([header(encoding="raw", shape=[2, 2], dtype="O"), bytes(16)], "dtype: it must be 'uint8'"),
    "a shape too large": ([header(encoding="raw", shape=[65536, 1], dtype="uint8"), PNG], "65535"),
    "a shape that lies": ([header(encoding="raw", shape=[65535, 65535, 3], dtype="uint8"), PNG], "needs 12884508675"),
    "a shape of no image": ([header(encoding="raw", shape=[2, 2, 4], dtype="uint8"), PNG], "shape must be"),
    "a long shape": ([header(encoding="raw", shape=[1] * 9999, dtype="uint8"), PNG], "shape must be"),
    "a key with a line break": ([header(**{"x\nWARNING all is well": 1}), PNG], r"x\nWARNING all is well is not a"),
    "a long key": ([header(**{"x" * 60_000: 1}), PNG], "xxx..."),
    "a number below zero": ([header(sequence=-1), PNG], "sequence: it must be greater than or equal to 0"),
    "a number too large": ([header(sequence=2**63), PNG], "sequence: "),
    "a number that is none": ([header(sequence=True), PNG], "sequence: it must be a valid integer"),
    "a sender with a bell": ([header(sender="\x07"), PNG], "sender: it must be printable"),
    "a coil with a NUL": ([header(part={"coil": "\0"}), PNG], "part.coil: it must be printable"),
    "half a character": ([b'{"version": 1, "id": "\\ud800", "encoding": "png"}', PNG], "Invalid JSON"),
    "a metre at infinity": ([b'{"version": 1, "id": "a", "encoding": "png", "part": {"metre": 1e999}}', PNG], "metre"),
    "the year one": ([header(captured_at="0001-01-01T00:00:00+14:00"), PNG], "the years 1970 to 2999"),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(Recorder(), tmp_path_factory.mktemp("line"), max_message_mb=1 / 16) as (address, listener):
        yield address
        assert len(listener.of(FrameCaptured)) == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_frame_is_refused_with_its_reason(address: str, name: str) -> None:
    parts, reason = REFUSED[name]
    with connected(address) as bare:
        bare.send_multipart(parts)
        refused = answer(bare)
    assert refused["status"] == "refused"
    assert reason in refused["reason"]
    assert len(refused["reason"]) <= LONGEST_SENTENCE + 60
    assert refused["reason"].isprintable()


@given(st.data())
def test_a_header_with_some_bytes_changed_is_refused_or_right(data: st.DataObject) -> None:
    text = bytearray(header(part={"coil": "C7", "metre": 1.5}, captured_at="2026-01-02T12:00:00Z", sequence=7))
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = FrameMessage.from_parts([bytes(text), PNG], MIB)
    except MessageRefusedError as refused:
        assert str(refused).isprintable()
    else:
        assert message.header.id.isprintable()


def test_bytes_that_are_not_even_zeromq_harm_nobody(tmp_path: Path) -> None:
    random = Random(1)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    junk = [b"GET / HTTP/1.1\r\nHost: line\r\n\r\n", b"", bytes(10_000), greeting, greeting + bytes(1000)]
    junk += [greeting + b"\x02" + (2**62).to_bytes(8, "big"), *(random.randbytes(1000) for _ in range(100))]
    with serving(Recorder(), tmp_path) as (address, _):
        port = int(address.rsplit(":", 1)[1])
        with ExitStack() as open_ones:
            for bytes_ in junk:
                peer = open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
                peer.sendall(bytes_)
            assert still_serves(address)  # while they are there


def test_thousands_of_identities_are_served_and_forgotten(tmp_path: Path) -> None:
    random = Random(1)
    with serving(Recorder(), tmp_path) as (address, _), zmq.Context() as context, memory_stays_below(64):
        for _turn in range(20):
            with ExitStack() as open_ones:
                peers = []
                for _ in range(100):
                    peer = open_ones.enter_context(context.socket(zmq.DEALER))
                    peer.set(zmq.LINGER, 0)
                    peer.set(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
                    peer.set(zmq.ROUTING_ID, b"\1" + random.randbytes(254))
                    peer.connect(address)
                    peer.send_multipart([GOOD[:-1], PNG])
                    peers.append(peer)
                assert {answer(peer)["status"] for peer in peers} == {"refused"}
        assert still_serves(address)


def test_a_peer_that_never_reads_its_answers_costs_little(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        serving(Recorder(), tmp_path) as (address, _),
        connected(address) as bare,
        memory_stays_below(64),
        caplog.at_level(logging.WARNING),
    ):
        long = header(**{"x" * 60_000: 1})
        for _ in range(3000):
            bare.send_multipart([long, PNG])
        assert still_serves(address)
    said = [record for record in caplog.records if "is refused" in record.getMessage()]
    assert 1 <= len(said) <= 10  # and not 3000


def test_a_frame_sent_a_thousand_times_is_kept_once(tmp_path: Path) -> None:
    gate = Gate()
    parts = [header(encoding="raw", shape=[1024, 1024], dtype="uint8"), bytes(MIB)]
    with serving(Recorder(), tmp_path, judge=gate) as (address, listener), connected(address) as bare:
        bare.send_multipart(parts)
        listener.wait_for(FrameCaptured)
        with memory_stays_below(128):
            for _ in range(500):
                bare.send_multipart(parts)
            # Refusals are answered at once, so the answer to this one says that everything before it was read.
            bare.send_multipart([b"{", b""])
            assert answer(bare)["status"] == "refused"
        gate.open.set()
        assert answer(bare)["status"] == "recorded"


def test_a_message_of_a_hundred_thousand_parts_is_refused(tmp_path: Path) -> None:
    with serving(Recorder(), tmp_path) as (address, _), connected(address) as bare, memory_stays_below(64):
        bare.send_multipart([b"x" * 100] * 100_000)
        assert "has 100000 parts" in answer(bare)["reason"]
