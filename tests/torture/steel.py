"""Frames without end: the NEU images, or drawn steel where there are none, numbered anew each time round."""

from __future__ import annotations

import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore_plugins.steel.strip import LABELS, roll_steel
from tests.conftest import NEU_CLASSES, neu_folder

_NUMBER = re.compile(r"(?:^|/)n(\d{7})")


DRAWN = 60

SIDE = 200  # pixels, as of the NEU images


class Steel:
    """The files of the NEU images; frame *n* is file *n* modulo how many there are."""

    def __init__(self) -> None:
        files = _neu() or _drawn()
        self._files = [files[at] for at in _shuffled(len(files))]

    def __getitem__(self, number: int) -> bytes:
        return self._files[number % len(self._files)]


def frame_name(number: int) -> str:
    """Return what frame *number* is called, as a file and as an id."""
    return f"n{number:07}"


def frame_number(frame_id: str) -> int:
    """Return the number of the frame that a line calls *frame_id*."""
    found = _NUMBER.search(frame_id)
    assert found is not None, f"{frame_id} is none of ours"
    return int(found.group(1))


def place(folder: Path, number: int, content: bytes) -> None:
    """Put a frame into a watched folder as a careful camera does: whole, or not at all."""
    part = folder / f"{frame_name(number)}.part"
    part.write_bytes(content)
    part.replace(folder / f"{frame_name(number)}.jpg")


def _neu() -> list[bytes]:
    """Return the real images; none where there are none, which in CI is a failure."""
    try:
        folder = neu_folder()
    except pytest.skip.Exception:
        return []
    return [path.read_bytes() for name in NEU_CLASSES for path in sorted((folder / name).glob("*.jpg"))]


def _drawn() -> list[bytes]:
    labels = [LABELS[number * len(LABELS) // DRAWN] for number in range(DRAWN)]
    frames = roll_steel(np.random.default_rng(0), labels, width=SIDE, height=SIDE)
    return [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in frames]


def _shuffled(count: int) -> list[int]:
    """Return 0..count-1 so that neighbours are of different classes: in steps that share no factor with the count."""
    step = next(step for step in range(count // 6 + 1, 2 * count) if math.gcd(step, count) == 1)
    return [(at * step) % count for at in range(count)]
