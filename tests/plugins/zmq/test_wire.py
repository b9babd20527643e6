"""The wire format: what goes out comes in unchanged, and what is wrong is refused in one sentence."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecore.inspection import Part
from linecore.testing import grey
from linecore_plugins.zmq.header import Header, MessageRefusedError, PartHeader
from linecore_plugins.zmq.wire import Acknowledgement, FrameMessage

LIMIT = 1_000_000
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def header(**changes: object) -> bytes:
    """A right header of a raw 2x2 frame, with changes; None takes a key away."""
    keys = {"version": 1, "id": "a", "encoding": "raw", "shape": [2, 2], "dtype": "uint8", **changes}
    return json.dumps({key: value for key, value in keys.items() if value is not None}).encode()


def refusal(*parts: bytes) -> MessageRefusedError:
    with pytest.raises(MessageRefusedError) as refused:
        FrameMessage.from_parts(parts, LIMIT)
    return refused.value


@pytest.mark.parametrize("encoding", ["jpeg", "png", "bmp", "tiff"])
def test_a_file_arrives_as_it_was(encoding: str) -> None:
    encoded = cv2.imencode(f".{encoding}", grey())[1].tobytes()
    part = Part(coil="C7", metre=1.5)
    sent = FrameMessage.of_file("coil 7/1", encoded, part=part, captured_at=NOON)
    received = FrameMessage.from_parts(sent.parts(), LIMIT)
    assert received.header.encoding == encoding
    assert (received.header.id, received.part, received.header.captured_at) == ("coil 7/1", part, NOON)
    assert (received.encoded, received.image) == (encoded, None)


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3)])
def test_pixels_arrive_as_they_were(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    received = FrameMessage.from_parts(FrameMessage.of_image("a", image).parts(), LIMIT)
    assert received.image is not None
    np.testing.assert_array_equal(received.image, image)
    assert received.encoded is None
    assert not received.image.flags.writeable


def test_a_slice_of_an_image_arrives_in_its_own_order() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8).T[::2, 1::3]
    received = FrameMessage.from_parts(FrameMessage.of_image("a", image).parts(), LIMIT)
    np.testing.assert_array_equal(received.image, image)


def test_the_header_is_the_documented_json() -> None:
    image = np.zeros((2, 3), np.uint8)
    text, payload = FrameMessage.of_image("a", image, part=Part(serial="S1"), captured_at=NOON).parts()
    assert json.loads(text) == {
        "version": 1,
        "id": "a",
        "encoding": "raw",
        "shape": [2, 3],
        "dtype": "uint8",
        "captured_at": "2026-01-02T12:00:00Z",
        "part": {"serial": "S1"},
    }
    assert payload == bytes(6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "version: it must be 1"),
        ({"version": None}, "version is missing"),
        ({"id": None}, "id is missing"),
        ({"id": ""}, "id: it should have at least 1 character"),
        ({"id": "a\nb"}, "id: it must be printable"),
        ({"id": "a" * 161}, "id: it should have at most 160 characters"),
        ({"id": 7}, "id: it must be a valid string"),
        ({"encoding": "gif"}, "encoding: it must be 'jpeg', 'png', 'bmp', 'tiff' or 'raw'"),
        ({"encoding": "png"}, 'shape and dtype are for encoding "raw" alone'),
        ({"shape": None}, 'encoding "raw" needs shape and dtype'),
        ({"dtype": "float32"}, "dtype: it must be 'uint8'"),
        ({"shape": [4]}, r"shape must be \[height, width\] or \[height, width, 3\]"),
        ({"shape": [1, 1, 4]}, r"shape must be \[height, width\] or \[height, width, 3\]"),
        ({"shape": [0, 4]}, "shape.0: it must be greater than or equal to 1"),
        ({"shape": [-2, -2]}, "shape.0: it must be greater than or equal to 1"),
        ({"shape": [2, 3]}, r"the image has 4 bytes, but shape \[2, 3\] of uint8 needs 6"),
        ({"shape": [65535, 65535, 3]}, "of uint8 needs 12884508675"),
        ({"captured_at": "2026-01-02T12:00:00"}, "captured_at: it must have timezone info"),
        ({"part": {"coill": "x"}}, "part.coill is not a known key"),
        ({"part": {"metre": "far"}}, "part.metre: it must be a valid number"),
        ({"meta": {}}, "meta is not a known key"),
    ],
)
def test_a_wrong_header_is_one_sentence(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(MessageRefusedError, match=sentence):
        FrameMessage.from_parts([header(**changes), bytes(4)], LIMIT)


def test_a_refusal_names_the_frame_where_it_can() -> None:
    assert refusal(header(version=2), bytes(4)).frame_id == "a"
    assert refusal(b"{", bytes(4)).frame_id is None
    assert refusal(b"[1]", bytes(4)).frame_id is None
    assert refusal(header(id=7), bytes(4)).frame_id is None


def test_parts_that_are_missing_empty_or_too_large_are_refused() -> None:
    assert "it must have two" in str(refusal(header()))
    assert "it must have two" in str(refusal(header(), bytes(4), b""))
    assert "the image part is empty" in str(refusal(header(), b""))
    assert "the image has 1000001 bytes; this line takes up to 1000000" in str(refusal(header(), bytes(LIMIT + 1)))
    assert "the header has 70000 bytes" in str(refusal(b" " * 70_000, bytes(4)))
    assert "Invalid JSON" in str(refusal(b"[" * 60_000, bytes(4)))


@given(st.lists(st.binary(max_size=64), max_size=4))
def test_noise_is_refused_and_nothing_worse(parts: list[bytes]) -> None:
    with pytest.raises(MessageRefusedError):
        FrameMessage.from_parts(parts, LIMIT)


def test_what_cannot_be_sent_says_so_before_it_goes_out() -> None:
    with pytest.raises(MessageRefusedError, match="pixels are float32; they must be uint8"):
        FrameMessage.of_image("a", np.zeros((2, 2), np.float32))
    with pytest.raises(MessageRefusedError, match="shape must be"):
        FrameMessage.of_image("a", np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(MessageRefusedError, match="it is not a JPEG, PNG, BMP or TIFF file"):
        FrameMessage.of_file("a", b"GIF89a")
    with pytest.raises(MessageRefusedError, match="at least 1 character"):
        FrameMessage.of_file("", cv2.imencode(".png", grey())[1].tobytes())
    with pytest.raises(MessageRefusedError, match="timezone"):
        FrameMessage.of_image("a", grey(), captured_at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    "answer",
    [Acknowledgement("a", "recorded"), Acknowledgement("ä", "dropped", "x"), Acknowledgement(None, "refused", "y")],
)
def test_an_acknowledgement_arrives_as_it_was(answer: Acknowledgement) -> None:
    assert Acknowledgement.from_bytes(answer.to_bytes()) == answer


def test_what_is_no_acknowledgement_is_refused() -> None:
    for text in (
        b"",
        b"ok",
        b'{"version": 2, "id": "a", "status": "recorded"}',
        b'{"version": 1, "id": "a", "status": "fine"}',
    ):
        with pytest.raises(MessageRefusedError, match="the answer is no acknowledgement"):
            Acknowledgement.from_bytes(text)


def test_the_examples_of_the_documentation_are_right() -> None:
    page = (Path(__file__).parents[3] / "docs/wire.md").read_text()
    header, answer = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    message = FrameMessage.from_parts([header.encode(), b"\xff\xd8\xff"], LIMIT)
    assert message.part == Part(coil="4711", metre=118.5)
    assert Acknowledgement.from_bytes(answer.encode()) == Acknowledgement(message.header.id, "recorded")
    for key in (*Header.model_fields, *PartHeader.model_fields):
        assert f"`{key}`" in page
