"""What moves down the line: a frame becomes a classification, a verdict, an explanation, an inspection.

Everything here is frozen: a plugin reads it, and answers with something new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""uint8 pixels, HxW (grey) or HxWx3 (BGR, as OpenCV has it), read-only."""

FloatArray = npt.NDArray[np.float32]
"""float32 values; the docstring of each field says which shape and range."""

Box = tuple[int, int, int, int]
"""``(x0, y0, x1, y1)`` in pixels of the frame; x1 and y1 are exclusive."""

NO_SCORES: Mapping[str, float] = MappingProxyType({})


def read_only(array: npt.ArrayLike) -> Image:
    """Return *array* as read-only uint8 pixels, without a copy where none is needed."""
    image: Image = np.asarray(array, dtype=np.uint8).view()
    image.flags.writeable = False
    return image


NOT_DECODED: Image = read_only(np.empty((0, 0), np.uint8))


@dataclass(frozen=True, slots=True)
class Part:
    """What identifies the product under the camera; every field may be missing, and none is checked against a list."""

    serial: str | None = None
    lot: str | None = None
    order: str | None = None  # the work order
    tray: str | None = None
    coil: str | None = None
    side: str | None = None  # of a strip: "top" or "bottom"
    metre: float | None = None  # of a strip: metres from the head
    across: float | None = None  # of a strip: millimetres from the operator side


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really on a frame, where somebody knows: simulated frames, challenge samples."""

    label: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of the product.

    ``id`` is stable: the same frame offered twice, by a restarted source or a sender that got no acknowledgement,
    has the same id, so that the history holds one row. A source makes frames through :meth:`linecore.line.Line.frame`.
    """

    id: str
    line: str
    source: str  # the name of the source's table in line.toml
    sequence: int  # the source's own number of the frame; without one, counts its frames since it started, from 0
    captured_at: datetime  # UTC
    image: Image = field(default_factory=lambda: NOT_DECODED)  # empty (0x0) until a worker has decoded `encoded`
    encoded: bytes | None = None  # the file as it came: JPEG, PNG, BMP or TIFF
    part: Part = Part()
    origin: str | None = None  # where it came from, for a person: a path, an address
    truth: Truth | None = None
    unfit: str | None = None  # why its source says that it must not be judged: a NO_RESULT with this reason

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the pixels and the encoded file hold."""
        return self.image.nbytes + len(self.encoded or b"")

    def decoded(self, image: Image) -> Frame:
        """Return this frame with its pixels."""
        return replace(self, image=read_only(image))


@dataclass(frozen=True, slots=True)
class ModelId:
    """Which model judged: the name and version of its bundle, and the sha256 of the file that ran."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What the network says of one frame."""

    label: str
    confidence: float  # probability of `label`, 0..1
    scores: Mapping[str, float]  # probability of each label; they sum to 1
    model: ModelId
    novelty: float | None = None  # quantile among frames that the model knows, 0..1; None where the model measures none
    class_maps: Mapping[str, FloatArray] = field(default_factory=dict)  # label -> h x w; mean plus bias is the logit
    region_threshold: float | None = None  # share of a class map's peak that is reached on a defect; None: unknown


class Decision(StrEnum):
    """What the line does with the part. A PLC treats NO_RESULT as a reject."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNCERTAIN = "UNCERTAIN"
    NO_RESULT = "NO_RESULT"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the line decides of one frame. All but ``decision`` and ``reason`` are None without a classification."""

    decision: Decision
    label: str | None = None
    confidence: float | None = None
    novelty: float | None = None
    reason: str | None = None  # why not simply the label's own verdict; always there for UNCERTAIN and NO_RESULT
    model: ModelId | None = None
    scores: Mapping[str, float] = field(default_factory=lambda: NO_SCORES)


@dataclass(frozen=True, slots=True)
class Region:
    """A connected hot part of a heat map."""

    box: Box
    area: int  # pixels of the frame
    score: float  # the heat map's mean inside the region, 0..1


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Where on the frame the network saw what it says."""

    heatmap: FloatArray  # HxW of the frame, 0..1; all zero where nothing speaks for the label
    method: str
    label: str  # the label that is explained
    regions: tuple[Region, ...] = ()  # hottest first
    mask: Image | None = None  # HxW of the frame: 255 where a pixel belongs to a region, else 0; None: not drawn

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the heat map and the mask hold."""
        return self.heatmap.nbytes + (0 if self.mask is None else self.mask.nbytes)

    @property
    def peak(self) -> tuple[int, int] | None:
        """``(x, y)`` of the hottest pixel, or None where the map is all zero."""
        if not self.heatmap.size or not self.heatmap.any():
            return None
        y, x = np.unravel_index(int(self.heatmap.argmax()), self.heatmap.shape)
        return int(x), int(y)


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds that each step took; 0.0 for a step that did not run."""

    wait: float = 0.0  # from capture to a worker
    decode: float = 0.0
    classify: float = 0.0
    explain: float = 0.0

    @property
    def verdict(self) -> float:
        """From capture to the verdict."""
        return self.wait + self.decode + self.classify


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file that a sink keeps of an inspection."""

    kind: str  # "image", "overlay", "mask", "heatmap"
    path: str  # absolute, or relative to where linecore runs


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """One frame with all that was found out about it: what sinks record."""

    frame: Frame
    verdict: Verdict
    timings: Timings
    completed_at: datetime  # UTC
    explanation: Explanation | None = None
    evidence: tuple[Evidence, ...] = ()
    config_hash: str = ""  # sha256 of the line's configuration, secrets left out
    late: Verdict | None = None  # what the classifier said after the deadline: kept, and never the verdict
    buffered: bool = False  # delivered later than it happened: its sink, or the line, had been away

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the pictures of this inspection hold."""
        return self.frame.nbytes + (self.explanation.nbytes if self.explanation else 0)
