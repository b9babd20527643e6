"""Inspections, alarms and log entries as bytes, and back: what the journal writes, without pickle.

A heat map comes back to 1/255, which is what its picture shows anyway; everything else comes back as it was. Raw pixels
are kept as they are, since compressing them would cost a worker more than judging them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np

from linecore.alarms import Alarm, AlarmState, Priority
from linecore.inspection import (
    Decision,
    Evidence,
    Explanation,
    FloatArray,
    Frame,
    Image,
    Inspection,
    ModelId,
    Part,
    Region,
    Timings,
    Truth,
    Verdict,
    read_only,
)
from linecore.log import LogEntry

Delivery: TypeAlias = Inspection | Alarm | LogEntry
"""What a lane delivers to its sink."""

Kind: TypeAlias = str
KINDS = INSPECTION, ALARM, LOG = "inspection", "alarm", "log"

WEIGHT = 1024
"""Bytes of memory that a delivery takes without its pictures, near enough: a week of dropped frames adds up."""


def kind_of(delivery: Delivery) -> Kind:
    """Return the word for what *delivery* is."""
    if isinstance(delivery, Inspection):
        return INSPECTION
    return ALARM if isinstance(delivery, Alarm) else LOG


def weight_of(delivery: Delivery) -> int:
    """Return the bytes of memory that *delivery* holds, near enough; what has no pictures weighs something too."""
    return WEIGHT + (delivery.nbytes if isinstance(delivery, Inspection) else 0)


def name_of(delivery: Delivery) -> str:
    """Return the id of the frame, the alarm or the log entry."""
    return delivery.frame.id if isinstance(delivery, Inspection) else delivery.id


@dataclass(frozen=True, slots=True)
class Packed:
    """A delivery as bytes: all but the pixels in *body*, JSON; the pixels, where they are wanted, in *pixels*."""

    kind: Kind
    name: str
    body: bytes
    pixels: bytes | None = None

    @property
    def nbytes(self) -> int:
        """Bytes on disk, near enough."""
        return len(self.name) + len(self.body) + len(self.pixels or b"")


def pack(delivery: Delivery, *, pixels: bool = True) -> Packed:
    """Turn a delivery into bytes; without *pixels*, its frame comes back with its size, all black, and no heat map."""
    if isinstance(delivery, Inspection):
        body, blob = _pack_inspection(delivery, pixels=pixels)
    elif isinstance(delivery, Alarm):
        body, blob = asdict(delivery), None
    else:
        body, blob = {**_fields(delivery), "detail": dict(delivery.detail)}, None
    text = json.dumps(body, default=_plain, separators=(",", ":")).encode()
    return Packed(kind_of(delivery), storable(name_of(delivery)), text, blob)


def unpack(packed: Packed) -> Delivery:
    """Return what :func:`pack` was given; an encoded frame is not decoded, its image is black and of the right size."""
    body = json.loads(packed.body)
    if packed.kind == INSPECTION:
        return _unpack_inspection(body, packed.pixels)
    if packed.kind == ALARM:
        return Alarm(
            **{
                **body,
                "priority": Priority(body["priority"]),
                "state": AlarmState(body["state"]),
                "raised_at": _time(body["raised_at"]),
                "changed_at": _time(body["changed_at"]),
                "frame_ids": tuple(body["frame_ids"]),
            }
        )
    return LogEntry(**{**body, "at": _time(body["at"])})


def _pack_inspection(inspection: Inspection, *, pixels: bool) -> tuple[dict[str, Any], bytes | None]:
    frame, explanation = inspection.frame, inspection.explanation
    blobs: list[bytes] = []
    body: dict[str, Any] = {
        "frame": {
            **{key: value for key, value in _fields(frame).items() if key not in ("image", "encoded")},
            "part": asdict(frame.part),
            "truth": None if frame.truth is None else asdict(frame.truth),
            "shape": list(frame.image.shape),
        },
        "verdict": _pack_verdict(inspection.verdict),
        "late": None if inspection.late is None else _pack_verdict(inspection.late),
        "timings": asdict(inspection.timings),
        "completed_at": inspection.completed_at,
        "evidence": [asdict(one) for one in inspection.evidence],
        "config_hash": inspection.config_hash,
        "explanation": None,
    }
    if pixels:
        # An encoded file is what the pixels are decoded from again; raw pixels are kept themselves.
        body["frame"]["encoded"] = len(frame.encoded) if frame.encoded is not None else None
        blobs.append(frame.encoded if frame.encoded is not None else frame.image.tobytes())
    if explanation is not None:
        body["explanation"] = {
            "method": explanation.method,
            "label": explanation.label,
            "regions": [asdict(region) for region in explanation.regions],
            "peak": explanation.peak,
            "shape": list(explanation.heatmap.shape),
        }
        if pixels:
            blobs += _pack_maps(explanation, body["explanation"])
    return body, b"".join(blobs) if pixels else None


def _pack_maps(explanation: Explanation, body: dict[str, Any]) -> list[bytes]:
    levels = np.rint(np.nan_to_num(explanation.heatmap).clip(0, 1) * 255).astype(np.uint8)
    heat = zlib.compress(levels.tobytes(), 1)
    mask = b"" if explanation.mask is None else zlib.compress(explanation.mask.tobytes(), 1)
    body["heat"], body["mask"] = len(heat), None if explanation.mask is None else len(mask)
    return [heat, mask]


def _unpack_inspection(body: dict[str, Any], blob: bytes | None) -> Inspection:
    frame, rest = _unpack_frame(body["frame"], blob)
    return Inspection(
        frame=frame,
        verdict=_unpack_verdict(body["verdict"]),
        timings=Timings(**body["timings"]),
        completed_at=_time(body["completed_at"]),
        explanation=_unpack_explanation(body["explanation"], rest),
        evidence=tuple(Evidence(**one) for one in body["evidence"]),
        config_hash=body["config_hash"],
        late=None if body["late"] is None else _unpack_verdict(body["late"]),
    )


def _unpack_frame(body: dict[str, Any], blob: bytes | None) -> tuple[Frame, bytes | None]:
    """Return the frame, and what follows its bytes in *blob*."""
    shape = tuple(body.pop("shape"))
    encoded_length = body.pop("encoded", None)
    truth, part = body.pop("truth"), Part(**body.pop("part"))
    body["captured_at"] = _time(body["captured_at"])
    if truth is not None:
        truth = Truth(truth["label"], tuple(_box(box) for box in truth["boxes"]))
    image, encoded, rest = _black(shape), None, None
    if blob is not None and encoded_length is not None:
        encoded, rest = blob[:encoded_length], blob[encoded_length:]
    elif blob is not None:
        size = int(np.prod(shape, dtype=np.int64))
        image, rest = read_only(np.frombuffer(blob, np.uint8, size).reshape(shape)), blob[size:]
    return Frame(**body, image=image, encoded=encoded, part=part, truth=truth), rest


def _unpack_explanation(body: dict[str, Any] | None, blob: bytes | None) -> Explanation | None:
    if body is None:
        return None
    shape = tuple(body["shape"])
    regions = tuple(Region(_box(one["box"]), one["area"], one["score"]) for one in body["regions"])
    heatmap, mask = np.zeros(shape, np.float32), None
    if blob is not None:
        heat, rest = blob[: body["heat"]], blob[body["heat"] :]
        levels = np.frombuffer(zlib.decompress(heat), np.uint8).reshape(shape)
        heatmap = levels.astype(np.float32) / np.float32(255)
        if body["peak"] is not None:
            _keep_peak(heatmap, *body["peak"])
        if body["mask"] is not None:
            mask = read_only(np.frombuffer(zlib.decompress(rest), np.uint8).reshape(shape))
    elif body["peak"] is not None:
        x, y = body["peak"]
        heatmap[y, x] = 1.0  # all that is left of the map, and what a history keeps of it
    return Explanation(heatmap, body["method"], body["label"], regions, mask)


def _keep_peak(heatmap: FloatArray, x: int, y: int) -> None:
    """Let the hottest pixel be the hottest again: rounding has made others as hot, or all of them cold."""
    top = max(heatmap[y, x], np.float32(1 / 510))
    np.minimum(heatmap, np.nextafter(top, np.float32(0)), out=heatmap)
    heatmap[y, x] = top


def _pack_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        **_fields(verdict),
        "model": None if verdict.model is None else asdict(verdict.model),
        "scores": {label: float(score) for label, score in verdict.scores.items()},
    }


def _unpack_verdict(body: dict[str, Any]) -> Verdict:
    model = body["model"]
    return Verdict(
        **{**body, "decision": Decision(body["decision"]), "model": None if model is None else ModelId(**model)}
    )


def _fields(words: object) -> dict[str, Any]:
    return {name: getattr(words, name) for name in words.__dataclass_fields__}  # type: ignore[attr-defined]  # all are dataclasses


def _black(shape: tuple[int, ...]) -> Image:
    """Return black pixels of *shape* that take no memory: one zero, seen everywhere."""
    black: Image = np.broadcast_to(np.zeros((), np.uint8), shape)
    return black


def _box(corners: list[int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = corners
    return x0, y0, x1, y1


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def storable(name: str) -> str:
    """Return an id as SQLite takes it: a file name may have bytes that are no characters."""
    return name.encode(errors="backslashreplace").decode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)  # what a plugin put where a word belongs, such as a path
