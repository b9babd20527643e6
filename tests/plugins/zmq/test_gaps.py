"""Frames that never came are told: by the numbers that their senders give them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from linecore.clock import SystemClock
from linecore.errors import ConfigError
from linecore.events import SequenceGap
from linecore.framing import STREAMS, Framing
from linecore.inspection import Part
from linecore.testing import PATIENCE_S, Recorder
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.wire import FrameMessage
from tests.plugins.zmq.lines import PNG, Gate, serving


def numbered(sender: str, number: int) -> FrameMessage:
    return FrameMessage.of_file(f"{sender}/{number}", PNG).numbered(sender, number)


def test_a_gap_in_a_senders_numbers_is_an_event_and_in_the_log(tmp_path: Path) -> None:
    sink = Recorder()
    with serving(sink, tmp_path) as (address, listener), ZmqSender(address) as sender:
        for number in (0, 1, 4):
            for camera in ("left", "right") if number < 2 else ("left",):
                (answer,) = sender.send_all([numbered(camera, number)])
                assert answer.status == "recorded"
        assert listener.of(SequenceGap) == [SequenceGap("zmq", "left", expected=2, got=4)]
    (entry,) = [one for one in sink.entries if one.kind == "sequence gap"]
    assert entry.message == "zmq: frames 2 to 3 of left never came"
    assert [one.frame.sequence for one in sink.inspections] == [0, 0, 1, 1, 4]


def test_a_sender_numbers_its_frames_and_a_resend_keeps_its_number(tmp_path: Path) -> None:
    gate, sink = Gate(), Recorder()
    messages = [FrameMessage.of_file(str(number), PNG) for number in range(8)]
    with (
        serving(sink, tmp_path, judge=gate) as (address, listener),
        ZmqSender(address, resend_s=0.05, sender="left") as sender,
    ):
        opening = threading.Timer(0.5, gate.open.set)  # every frame is sent again by then
        opening.start()
        assert {answer.status for answer in sender.send_all(messages)} == {"recorded"}
        opening.join(PATIENCE_S)
        assert sender.send("8", encoded=PNG).status == "recorded"
        assert listener.of(SequenceGap) == []
    assert [one.frame.sequence for one in sink.inspections] == list(range(9))


def test_two_senders_of_one_program_have_two_names(tmp_path: Path) -> None:
    with serving(Recorder(), tmp_path) as (address, listener):
        for turn in range(2):
            with ZmqSender(address) as sender:
                for number in range(2):
                    assert sender.send(f"{turn}-{number}", encoded=PNG).status == "recorded"
        assert listener.of(SequenceGap) == []


def test_senders_with_ever_new_names_cost_nothing() -> None:
    framing = Framing("test", SystemClock())
    for number in range(STREAMS + 100):
        framing.frame(
            "zmq",
            "a",
            image=None,
            encoded=PNG,
            captured_at=None,
            part=Part(),
            origin=None,
            truth=None,
            sequence=7,
            stream=str(number),
        )
    assert len(framing._next) == STREAMS


def test_numbers_go_over_the_wire() -> None:
    received = FrameMessage.from_parts(numbered("left", 0).parts(), 10_000)
    assert (received.header.sender, received.header.sequence) == ("left", 0)


def test_the_name_of_a_sender_is_looked_at_before_anything_goes_out() -> None:
    with pytest.raises(ConfigError, match="the sender's name is 'a\\\\nb'; it must be 1 to 160 printable characters"):
        ZmqSender("tcp://127.0.0.1:5570", sender="a\nb")
