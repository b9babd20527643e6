"""What a process holds of its machine, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Footprint:
    """One look at a process."""

    resident_mb: float
    threads: int
    descriptors: int


def footprint_of(pid: int) -> Footprint:
    """Look at a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Footprint(
        resident_mb=int(status["VmRSS"].split()[0]) / 1024,
        threads=int(status["Threads"]),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208  # they are no paths, only numbers
    )


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; one that goes meanwhile counts as none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
