"""Real frames without end: the NEU images, numbered anew each time round."""

from __future__ import annotations

import math
import re
from pathlib import Path

from tests.conftest import NEU_CLASSES, neu_folder

_NUMBER = re.compile(r"(?:^|/)n(\d{7})")


class Steel:
    """The files of the NEU images; frame *n* is file *n* modulo how many there are."""

    def __init__(self) -> None:
        folder = neu_folder()
        paths = [path for name in NEU_CLASSES for path in sorted((folder / name).glob("*.jpg"))]
        self._files = [paths[at].read_bytes() for at in _shuffled(len(paths))]

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


def _shuffled(count: int) -> list[int]:
    """Return 0..count-1 so that neighbours are of different classes: in steps that share no factor with the count."""
    step = next(step for step in range(count // 6 + 1, 2 * count) if math.gcd(step, count) == 1)
    return [(at * step) % count for at in range(count)]
