"""Reads what the bystanders of a line have written down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.torture.steel import frame_number


@dataclass(frozen=True, slots=True)
class Seen:
    """A verdict, as the witness saw it."""

    number: int
    captured_at: float  # seconds since 1970
    at: float
    latency_ms: float  # from capture by the source to the verdict
    decision: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery, as an archive took it."""

    number: int
    completed_at: float  # seconds since 1970
    at: float
    buffered: bool


def verdicts(path: Path) -> list[Seen]:
    """Return what a witness has written, oldest first."""
    return [
        Seen(frame_number(frame_id), float(captured_at), float(at), float(latency), decision)
        for frame_id, captured_at, at, latency, decision in _rows(path)
    ]


def deliveries(path: Path) -> list[Delivered]:
    """Return what an archive has written, oldest first."""
    return [
        Delivered(frame_number(frame_id), float(completed_at), float(at), buffered == "1")
        for frame_id, completed_at, at, buffered in _rows(path)
    ]


class Tally:
    """Counts the lines of a file that grows, and reads each only once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._lines = 0

    def count(self) -> int:
        """Return how many lines there are by now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                while chunk := file.read(1 << 20):
                    self._lines += chunk.count(b"\n")
                    self._at += len(chunk)
        return self._lines


def written(path: Path) -> int:
    """Return how many bytes there are: enough to see that something has happened, and cheap."""
    return path.stat().st_size if path.exists() else 0


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    text = path.read_text()
    return [row.split(" ") for row in text[: text.rfind("\n") + 1].splitlines()]  # the last one may be half written
