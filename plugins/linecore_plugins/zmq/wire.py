"""The wire format of frames over ZeroMQ, version 1; docs/wire.md describes it for other languages.

A message is two parts, a JSON header and the image; the answer is one part, a JSON acknowledgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from linecore.formats import format_of
from linecore.inspection import Image, Part, read_only
from linecore_plugins.zmq.header import Header, MessageRefusedError, make_header, read_header, sentence

NO_PART = Part()
Status = Literal["recorded", "dropped", "refused", "unanswered"]


def wrong_count(parts: int) -> str:
    """Say what is wrong with a message of so many parts."""
    return f"the message has {parts} parts; it must have two, a JSON header and an image"


@dataclass(frozen=True, slots=True, eq=False)
class FrameMessage:
    """One frame on its way to a line."""

    header: Header
    payload: bytes  # an encoded file, or raw pixels row by row

    @classmethod
    def of_file(
        cls, frame_id: str, encoded: bytes, *, part: Part = NO_PART, captured_at: datetime | None = None
    ) -> Self:
        """Wrap a JPEG, PNG, BMP or TIFF file.

        Raises:
            MessageRefusedError: the bytes begin like none of those, or the id is not allowed.
        """
        encoding = format_of(encoded)
        if encoding is None:
            raise MessageRefusedError("it is not a JPEG, PNG, BMP or TIFF file", frame_id)
        return cls(make_header(frame_id, encoding.value, part, captured_at), encoded)

    @classmethod
    def of_image(
        cls, frame_id: str, image: Image, *, part: Part = NO_PART, captured_at: datetime | None = None
    ) -> Self:
        """Wrap pixels: uint8, HxW grey or HxWx3 BGR.

        Raises:
            MessageRefusedError: the array is of another type or shape, or the id is not allowed.
        """
        if image.dtype != np.uint8:
            raise MessageRefusedError(f"pixels are {image.dtype}; they must be uint8", frame_id)
        return cls(make_header(frame_id, "raw", part, captured_at, list(image.shape)), image.tobytes())

    def numbered(self, sender: str, sequence: int) -> Self:
        """Return the same frame as number *sequence*, from 0, of those that *sender* sends: the line tells a gap."""
        return replace(self, header=self.header.model_copy(update={"sender": sender, "sequence": sequence}))

    def parts(self) -> list[bytes]:
        """Return the two parts as they go over the wire."""
        return [self.header.model_dump_json(exclude_defaults=True, exclude_none=True).encode(), self.payload]

    @classmethod
    def from_parts(cls, parts: Sequence[bytes], max_bytes: int) -> Self:
        """Read a message whose image part has up to *max_bytes*.

        Raises:
            MessageRefusedError: one sentence that says what is wrong with it.
        """
        if len(parts) != 2:
            raise MessageRefusedError(wrong_count(len(parts)))
        header, payload = read_header(parts[0]), parts[1]
        if len(payload) > max_bytes:
            raise MessageRefusedError(
                f"the image has {len(payload)} bytes; this line takes up to {max_bytes}", header.id
            )
        if not payload:
            raise MessageRefusedError("the image part is empty", header.id)
        if header.shape is not None and len(payload) != (needed := int(np.prod(header.shape, dtype=np.int64))):
            raise MessageRefusedError(
                f"the image has {len(payload)} bytes, but shape {header.shape} of uint8 needs {needed}", header.id
            )
        return cls(header, payload)

    @property
    def part(self) -> Part:
        """What identifies the product."""
        return Part(**self.header.part.model_dump())

    @property
    def image(self) -> Image | None:
        """The pixels of a raw frame, without a copy; None for an encoded one."""
        if self.header.shape is None:
            return None
        return read_only(np.frombuffer(self.payload, np.uint8).reshape(self.header.shape))

    @property
    def encoded(self) -> bytes | None:
        """The file of an encoded frame; None for a raw one."""
        return self.payload if self.header.shape is None else None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a line says of a frame: recorded (it is on the line's disk), dropped or refused, and then why.

    "unanswered" never goes over the wire: a sender says it of a frame that the line has not answered in time.
    """

    id: str | None  # None where the id could not be read
    status: Status
    reason: str | None = None

    def to_bytes(self) -> bytes:
        """Return the answer as it goes over the wire."""
        return _Reply.model_validate({"version": 1, **asdict(self)}).model_dump_json().encode()

    @classmethod
    def from_bytes(cls, answer: bytes) -> Self:
        """Read an answer.

        Raises:
            MessageRefusedError: it is no acknowledgement of version 1.
        """
        try:
            reply = _Reply.model_validate_json(answer)
        except ValidationError as error:
            raise MessageRefusedError(f"the answer is no acknowledgement: {sentence(error)}") from None
        return cls(reply.id, reply.status, reply.reason)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)  # keys that a later line adds are passed over

    version: Literal[1]
    id: str | None
    status: Literal["recorded", "dropped", "refused"]
    reason: str | None = None
