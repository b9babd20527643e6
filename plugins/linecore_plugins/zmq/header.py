"""The header of a frame on the wire: what it may say, and one sentence for what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self, cast

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from linecore.errors import LinecoreError
from linecore.framing import LONGEST_KEY
from linecore.inspection import Part
from linecore.text import printable

MAX_HEADER_BYTES = 64 * 1024
MAX_ID = LONGEST_KEY  # characters; a longer id would be shortened, and its acknowledgement not find its sender
LONGEST_SENTENCE = 300  # characters; a refusal must not be as large as what it refuses

Encoding = Literal["jpeg", "png", "bmp", "tiff", "raw"]


class MessageRefusedError(LinecoreError):
    """A message is not of the wire format; *frame_id* is its id, where that much could be read."""

    def __init__(self, sentence: str, frame_id: str | None = None) -> None:
        super().__init__(sentence)
        self.frame_id = frame_id


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it must be printable: no line breaks, tabs or control characters")
    return text


def _in_our_time(at: datetime) -> datetime:
    if not 1970 <= at.year <= 2999:  # the ends of the calendar cannot be turned into other time zones
        raise ValueError("it must be in the years 1970 to 2999")
    return at


Side = Annotated[int, Field(ge=1, le=65_535)]  # pixels
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
Sender = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(_printable)]


class PartHeader(BaseModel):
    """What identifies the product: the fields of :class:`linecore.inspection.Part`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    serial: Text | None = None
    lot: Text | None = None
    order: Text | None = None
    tray: Text | None = None
    coil: Text | None = None
    side: Text | None = None
    metre: Number | None = None
    across: Number | None = None


class Header(BaseModel):
    """The first part of a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1]
    id: Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(_printable)]
    encoding: Encoding
    shape: list[Side] | None = None
    dtype: Literal["uint8"] | None = None
    captured_at: Annotated[AwareDatetime, AfterValidator(_in_our_time)] | None = None
    sender: Sender | None = None
    sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None  # counts the frames of this sender
    part: PartHeader = PartHeader()

    @model_validator(mode="after")
    def _shape_goes_with_raw(self) -> Self:
        if self.encoding != "raw":
            if self.shape is not None or self.dtype is not None:
                raise ValueError('shape and dtype are for encoding "raw" alone')
        elif self.shape is None or self.dtype is None:
            raise ValueError('encoding "raw" needs shape and dtype')
        elif len(self.shape) != 2 and self.shape[2:] != [3]:
            raise ValueError("shape must be [height, width] or [height, width, 3]")
        return self


def make_header(
    frame_id: str, encoding: Encoding, part: Part, captured_at: datetime | None, shape: list[int] | None = None
) -> Header:
    """Make a header; *shape* is for raw pixels.

    Raises:
        MessageRefusedError: a value is not allowed.
    """
    try:
        return Header(
            version=1,
            id=frame_id,
            encoding=encoding,
            shape=shape,
            dtype=None if shape is None else "uint8",
            captured_at=captured_at,
            part=PartHeader(**asdict(part)),
        )
    except ValidationError as error:
        raise MessageRefusedError(sentence(error), frame_id) from None


def read_header(text: bytes) -> Header:
    """Read a header's JSON.

    Raises:
        MessageRefusedError: it is too long, no JSON, or says something that it must not.
    """
    if len(text) > MAX_HEADER_BYTES:
        raise MessageRefusedError(f"the header has {len(text)} bytes; it may have up to {MAX_HEADER_BYTES}")
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        raise MessageRefusedError(f"the header is wrong: {sentence(error)}", _id_in(text)) from None


def sentence(error: ValidationError) -> str:
    """Say what the first mistake is, on one line of plain text: it may repeat what a stranger has sent."""
    said = printable(_first_mistake(error))
    return said if len(said) <= LONGEST_SENTENCE else f"{said[: LONGEST_SENTENCE - 3]}..."


def _first_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where} is not a known key"
    wish = first["msg"].removeprefix("Value error, ").replace("Input should", "it must").replace("String", "it")
    return f"{where}: {wish}" if where else wish


def _id_in(text: bytes) -> str | None:
    """Return the id of a header that is wrong otherwise, so that its sender knows which frame was refused."""
    try:
        document = cast(object, from_json(text))
    except ValueError:
        return None
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str) and len(found) <= MAX_ID else None
