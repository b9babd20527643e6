"""What goes over the wire comes out as it went in, and what is no frame is refused with a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linecore.inspection import Frame, Part, Truth
from linecore.testing import grey
from linecore_plugins.nats.message import HEADER, MESSAGE_ID, frame_message, message_id, read_frame
from linecore_plugins.zmq.header import MessageRefusedError

FRAME = Frame(
    id="edge/left/coil 7/000123",
    line="edge",
    source="left",
    sequence=123,
    captured_at=datetime(2026, 1, 2, 12, 0, 0, 250_000, tzinfo=UTC),
    image=grey(),
    part=Part(coil="7", metre=118.5),
    origin="incoming/größe.png",
    truth=Truth("scratches", ((1, 2, 3, 4),)),
)
GOOD: dict[str, Any] = json.loads(frame_message(FRAME)[0][HEADER])


@pytest.mark.parametrize("raw", [False, True])
def test_everything_that_is_known_of_a_frame_arrives(raw: bool) -> None:
    headers, payload = frame_message(FRAME, raw=raw)
    frame = read_frame(headers, payload)
    for field in ("id", "line", "source", "sequence", "captured_at", "part", "origin", "truth", "unfit"):
        assert getattr(frame, field) == getattr(FRAME, field), field
    if raw:
        np.testing.assert_array_equal(frame.image, FRAME.image)
        assert not frame.image.flags.writeable


def test_a_frame_that_must_not_be_judged_says_so_at_the_other_end() -> None:
    frame = read_frame(*frame_message(replace(FRAME, image=grey()[:0], unfit="it came\nbroken")))
    assert frame.unfit == "it came\\nbroken"


def test_an_origin_that_is_no_text_is_sent_as_one() -> None:
    assert read_frame(*frame_message(replace(FRAME, origin="a\0\udcff"))).origin == "a\\x00\\xff"


def test_headers_are_ascii() -> None:
    headers, _ = frame_message(replace(FRAME, id="edge/left/größe"))
    assert all(value.isascii() for value in headers.values())
    assert headers[MESSAGE_ID] == "edge/left/gr%C3%B6%C3%9Fe"
    assert message_id("edge/left/a.png@0123:7~1") == "edge/left/a.png@0123:7~1"


@pytest.mark.parametrize("change", [{"id": "edge/left/a\nb"}, {"part": Part(serial="x" * 201)}, {"sequence": -1}])
def test_a_frame_that_the_header_cannot_hold_is_refused_where_it_is_sent(change: dict[str, Any]) -> None:
    with pytest.raises(MessageRefusedError, match="cannot be sent: "):
        frame_message(replace(FRAME, **change))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "version"),
        ({"id": "other/left/1"}, "id must begin with edge/left/"),
        ({"id": "edge/left/\u0007"}, "id: it must be printable"),
        ({"line": "a b"}, "line"),
        ({"sequence": "1"}, "sequence"),
        ({"captured_at": "2026-01-02T12:00:00"}, "captured_at"),
        ({"captured_at": "0001-01-01T00:00:00+23:00"}, "captured_at: it must be a time that UTC has too"),
        ({"origin": "a\0b"}, "origin: it must be printable"),
        ({"shape": [32, 32]}, 'shape goes with encoding "raw"'),
        ({"encoding": "raw"}, 'shape goes with encoding "raw"'),
        ({"encoding": "raw", "shape": [32, 32, 4]}, "shape must be"),
        ({"encoding": "raw", "shape": [65536, 1]}, "shape"),
        ({"encoding": "raw", "shape": [32, 32]}, "needs 1024"),
        ({"colour": "red"}, "colour is not a known key"),
        ({"origin": "x" * 70_000}, "it may have up to"),
    ],
)
def test_a_wrong_header_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageRefusedError, match=reason):
        read_frame({HEADER: json.dumps(GOOD | change)}, b"payload")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*GOOD, "encoding", "shape", "part", "unfit", "x"]), values, max_size=4),
    st.binary(max_size=64),
)
def test_whatever_a_header_says_it_is_a_frame_or_refused(change: dict[str, Any], payload: bytes) -> None:
    try:
        frame = read_frame({HEADER: json.dumps(GOOD | change)}, payload)
    except MessageRefusedError as error:
        assert str(error)
    else:
        assert frame.id.startswith(f"{frame.line}/{frame.source}/")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_whatever_a_header_is_it_is_refused(document: str) -> None:
    with pytest.raises(MessageRefusedError):
        read_frame({HEADER: document}, b"")
