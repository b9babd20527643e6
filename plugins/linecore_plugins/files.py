"""Sink: evidence as files: the image as it came, the overlay with the heat map, and the mask of the regions."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
from pydantic import BaseModel, ConfigDict, Field

from linecore.config import LinePath
from linecore.errors import ConfigError
from linecore.formats import SUFFIXES, format_of
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Evidence, Frame, Image, Inspection
from linecore_plugins.overlay import overlay

_UNSAFE = re.compile(r"[^A-Za-z0-9._@-]+")
_LONGEST_NAME = 120  # characters; file systems allow 255 bytes, and the suffixes come on top


class FilesSink:
    """Keeps images, overlays and masks in folders by line, day and decision."""

    class Config(BaseModel):
        """Options of ``[plugins.files]``."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        path: LinePath = Field(description="folder for the evidence; it is made if it does not exist")
        decisions: tuple[Decision, ...] = Field(
            (Decision.FAIL, Decision.UNCERTAIN, Decision.NO_RESULT), description="decisions whose frames are kept"
        )
        images: bool = Field(True, description="keep the image: an encoded frame's own bytes, else a PNG")
        overlays: bool = Field(
            True, description="keep a JPEG of the frame with its heat map, regions and verdict, where it has a heat map"
        )
        masks: bool = Field(
            False, description="keep a PNG of the frame's size, white where a pixel belongs to a region, else black"
        )

    def __init__(self, config: Config) -> None:
        self._config = config

    @hookimpl
    def start(self) -> None:
        """Make the folder.

        Raises:
            ConfigError: it cannot be made or written to.
        """
        path = self._config.path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"plugins.files.path is '{path}', which cannot be made: {error.strerror}") from None
        if not os.access(path, os.W_OK):
            raise ConfigError(f"plugins.files.path is '{path}', which cannot be written to; choose another folder")

    @hookimpl
    def evidence(self, inspection: Inspection) -> Sequence[Evidence]:
        """Name the files that :meth:`record` will write."""
        return [Evidence(kind, str(path)) for kind, path in self._paths(inspection)]

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Write the files; each appears whole or not at all."""
        for inspection in inspections:
            for kind, path in self._paths(inspection):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, _content(kind, inspection))

    def _paths(self, inspection: Inspection) -> Iterator[tuple[str, Path]]:
        frame, decision = inspection.frame, inspection.verdict.decision
        if decision not in self._config.decisions:
            return
        folder = self._config.path / frame.line / f"{frame.captured_at:%Y-%m-%d}" / decision / frame.source
        name = file_name(frame.id.removeprefix(f"{frame.line}/{frame.source}/"))
        if self._config.images and (frame.encoded or frame.image.size):
            yield "image", folder / f"{name}{_suffix(frame)}"
        if self._config.overlays and inspection.explanation is not None:
            yield "overlay", folder / f"{name}.overlay.jpg"
        if self._config.masks and inspection.explanation is not None and inspection.explanation.mask is not None:
            yield "mask", folder / f"{name}.mask.png"


def _content(kind: str, inspection: Inspection) -> bytes:
    frame, explanation = inspection.frame, inspection.explanation
    if kind == "overlay":
        assert explanation is not None
        return jpeg(overlay(frame.image, explanation, inspection.verdict))
    if kind == "mask":
        assert explanation is not None
        assert explanation.mask is not None
        return png(explanation.mask)
    return frame.encoded or png(frame.image)


def _suffix(frame: Frame) -> str:
    """Return the suffix that fits the content: what a broken file is called is no guide."""
    if not frame.encoded:
        return ".png"
    found = format_of(frame.encoded)
    return ".bin" if found is None else SUFFIXES[found][0]


def file_name(frame_id: str) -> str:
    """Return a name that every file system takes; different ids keep different names."""
    name = _UNSAFE.sub("_", frame_id)
    if name == frame_id and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.blake2b(frame_id.encode(errors="surrogateescape"), digest_size=5).hexdigest()
    return f"{name[:_LONGEST_NAME]}~{digest}"


def png(image: Image) -> bytes:
    """Return *image*, uint8 HxW or HxWx3 BGR, as a PNG file: every pixel as it is."""
    return cv2.imencode(".png", image)[1].tobytes()


def jpeg(image: Image) -> bytes:
    """Return *image*, uint8 HxW or HxWx3 BGR, as a JPEG file: for pictures that are looked at, a tenth of the work."""
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, never sees half of it."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
