"""A frame on its way between machines: a JSON header among the message's headers, and the picture as its payload."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from urllib.parse import quote

import cv2
import numpy as np
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from linecore.inspection import NOT_DECODED, Frame, Image, Part, Truth, read_only
from linecore.text import printable
from linecore_plugins.zmq.header import MAX_HEADER_BYTES, MessageRefusedError, PartHeader, Side, sentence

HEADER = "Linecore-Frame"
MESSAGE_ID = "Nats-Msg-Id"
LONGEST_ID = 255  # characters, as in the history


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("it must be printable: no line breaks, tabs or control characters")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("it must be a time that UTC has too") from None


Plain = AfterValidator(_printable)


class TruthHeader(BaseModel):
    """What is really on a frame: :class:`linecore.inspection.Truth`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: Annotated[str, Field(min_length=1, max_length=200)]
    boxes: tuple[tuple[int, int, int, int], ...] = ()


class FrameHeader(BaseModel):
    """What a frame's message says of it. Keys that are not listed are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1]
    id: Annotated[str, Field(min_length=1, max_length=LONGEST_ID), Plain]
    line: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    source: Annotated[str, Field(min_length=1, max_length=64), Plain]
    sequence: Annotated[int, Field(ge=0, le=2**62)]
    captured_at: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    encoding: Literal["file", "raw"]  # a JPEG, PNG, BMP or TIFF file, or uint8 pixels row by row
    shape: list[Side] | None = None
    part: PartHeader = PartHeader()
    origin: Annotated[str, Field(max_length=4096), Plain] | None = None
    truth: TruthHeader | None = None
    unfit: Annotated[str, Field(min_length=1, max_length=1000), Plain] | None = None  # why it must not be judged

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.id.startswith(f"{self.line}/{self.source}/"):
            raise ValueError(f"id must begin with {self.line}/{self.source}/")
        if (self.shape is None) != (self.encoding != "raw"):
            raise ValueError('shape goes with encoding "raw"')
        if self.shape is not None and len(self.shape) != 2 and self.shape[2:] != [3]:
            raise ValueError("shape must be [height, width] or [height, width, 3]")
        return self


def frame_message(frame: Frame, *, raw: bool = False) -> tuple[dict[str, str], bytes]:
    """Return the headers and the payload of a frame's message.

    An encoded frame goes as it came; pixels go as a PNG file, which loses nothing, or with *raw* as they are.

    Raises:
        MessageRefusedError: the frame has an id or a part that the header cannot hold.
    """
    shape = None
    if frame.encoded is not None or frame.unfit is not None:
        payload = frame.encoded or b""
    elif raw:
        payload, shape = frame.image.tobytes(), list(frame.image.shape)
    else:
        payload = _png(frame.image)
    truth = frame.truth
    try:
        header = FrameHeader(
            version=1,
            id=frame.id,
            line=frame.line,
            source=frame.source,
            sequence=frame.sequence,
            captured_at=frame.captured_at,
            encoding="file" if shape is None else "raw",
            shape=shape,
            part=PartHeader(**asdict(frame.part)),
            origin=None if frame.origin is None else printable(frame.origin)[:4096],
            truth=None if truth is None else TruthHeader(label=truth.label, boxes=truth.boxes),
            unfit=None if frame.unfit is None else printable(frame.unfit)[:1000] or "unfit",
        )
    except ValidationError as error:
        raise MessageRefusedError(f"{frame.id!r} cannot be sent: {sentence(error)}", frame.id) from None
    # ASCII, since not every client agrees on what else a header may hold.
    document = json.dumps(header.model_dump(mode="json", exclude_defaults=True, exclude_none=True))
    return {MESSAGE_ID: message_id(frame.id), HEADER: document}, payload


def read_frame(headers: dict[str, str] | None, payload: bytes) -> Frame:
    """Read a frame's message; the picture is not decoded.

    Raises:
        MessageRefusedError: one sentence that says what is wrong with it.
    """
    document = (headers or {}).get(HEADER)
    if document is None:
        raise MessageRefusedError(f"the message has no header {HEADER}")
    if len(document) > MAX_HEADER_BYTES:
        raise MessageRefusedError(f"the header has {len(document)} bytes; it may have up to {MAX_HEADER_BYTES}")
    try:
        header = FrameHeader.model_validate_json(document)
    except ValidationError as error:
        raise MessageRefusedError(f"the header is wrong: {sentence(error)}") from None
    image: Image = NOT_DECODED
    if header.shape is not None:
        if len(payload) != (needed := int(np.prod(header.shape, dtype=np.int64))):
            raise MessageRefusedError(f"the image has {len(payload)} bytes, but shape {header.shape} needs {needed}")
        image = read_only(np.frombuffer(payload, np.uint8).reshape(header.shape))
    truth = header.truth
    return Frame(
        id=header.id,
        line=header.line,
        source=header.source,
        sequence=header.sequence,
        captured_at=header.captured_at,
        image=image,
        encoded=payload if header.shape is None else None,
        part=Part(**header.part.model_dump()),
        origin=header.origin,
        truth=None if truth is None else Truth(truth.label, truth.boxes),
        unfit=header.unfit,
    )


def subject_token(line: str) -> str:
    """Return a line's name as one token of a subject, where a dot would begin the next one."""
    return line.replace(".", "_")


def message_id(key: str) -> str:
    """Return what the server knows a message by; ids as the folder and the camera make them stay as they are."""
    return quote(key, safe="/@:~+=,!()", errors="backslashreplace")


def _png(image: Image) -> bytes:
    done, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done, "uint8 pixels always make a PNG"
    return encoded.tobytes()
