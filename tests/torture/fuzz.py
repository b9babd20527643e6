"""Mutated images through the real decoder, and mutated messages into the real source, beside a watchdog.

``python -m tests.torture.fuzz --images 100000 --messages 100000`` prints the counts, and ends with 1 where an input
crashed or hung the child that takes them, or made it grow; each such input is saved under ``runs/fuzz``, and
``--first NUMBER --images 1`` takes it again.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.torture import mutations, seeds
from tests.torture.fuzzed import MARK
from tests.torture.scenario import Progress

HANG_S = 1.0  # of the child's own CPU time: others may keep a busy machine from it
BLOCKED_S = 15.0  # in which it may wait without working
START_S = 120.0  # for the child's imports and seeds
GROWTH_MB = 64  # from the first tenth to the end
PEAK_MB = 1024
FAULTS = 20  # after which going on would say no more
NEU = Path(__file__).parents[2] / ".." / "shared" / "data" / "neu"


@dataclass(slots=True)
class Findings:
    """What became of the inputs of one kind."""

    kind: str
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    slowest: tuple[float, int] = (0.0, 0)  # seconds, and the input's number
    resident: list[int] = field(default_factory=list)  # kilobytes after each batch of a child
    growth: int = 0  # kilobytes from the first tenth of a child's batches to its last, at most
    peak: int = 0  # kilobytes
    faults: dict[int, str] = field(default_factory=dict)  # by the input's number

    @property
    def total(self) -> int:
        """Inputs that were taken, faults among them."""
        return self.accepted + self.refused.total() + len(self.faults)

    @property
    def clean(self) -> bool:
        """Whether nothing crashed, hung or grew."""
        return not self.faults and self.growth < GROWTH_MB * 1024 and self.peak < PEAK_MB * 1024

    def add(self, row: dict[str, object]) -> None:
        """Count a batch."""
        counts, slowest = row["counts"], row["slowest"]
        now, peak = row["now"], row["peak"]
        assert isinstance(counts, dict) and isinstance(slowest, list) and isinstance(now, int) and isinstance(peak, int)
        self.accepted += counts.pop("", 0)
        self.refused.update(counts)
        self.slowest = max(self.slowest, (slowest[0], slowest[1]))
        self.resident.append(now)
        self.growth = max(self.growth, self.resident[-1] - self.resident[len(self.resident) // 10])
        self.peak = max(self.peak, peak)

    def lines(self) -> list[str]:
        """Say it all."""
        return [
            f"{self.kind}: {self.total} inputs: {self.accepted} accepted, {self.refused.total()} refused in "
            f"{len(self.refused)} ways, {len(self.faults)} crashed or hung",
            f"  slowest {self.slowest[0] * 1000:.0f} ms (input {self.slowest[1]}); memory grew by "
            f"{self.growth / 1024:.1f} MB, peak {self.peak / 1024:.0f} MB",
            *(f"  {count:7d}  {why}" for why, count in self.refused.most_common()),
            *(f"  FAULT at input {number}: {what}" for number, what in self.faults.items()),
        ]


def fuzz(kind: str, number: int, *, first: int = 0, folder: Path | None = None) -> Findings:
    """Run *number* inputs through children, one after the other, until all have been taken."""
    findings = Findings(kind)
    begin, end = first, first + number
    with tempfile.TemporaryDirectory() as place:
        marks = Path(place) / "marks"
        while begin < end and len(findings.faults) < FAULTS:
            marks.write_bytes(MARK.pack(begin, 0.0, 0.0))
            begin = _one_child(findings, begin, end, folder, marks, Path(place) / "stderr")
    return findings


def _one_child(findings: Findings, begin: int, end: int, folder: Path | None, marks: Path, said: Path) -> int:
    """Run a child to its end, and return the input to go on with."""
    skipped = ",".join(str(number) for number in findings.faults if number >= begin)
    arguments = [findings.kind, str(begin), str(end), str(folder or ""), str(marks), skipped]
    command = [sys.executable, "-m", "tests.torture.fuzzed", *arguments]
    environment = {**os.environ, "OPENCV_LOG_LEVEL": "SILENT"}
    findings.resident.clear()
    with said.open("wb") as errors, marks.open("r+b") as file, mmap.mmap(file.fileno(), MARK.size) as mark:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as child:
            hung: list[int] = []
            over = threading.Event()
            watchdog = threading.Thread(target=_watch, args=(child, mark, hung, over))
            watchdog.start()
            try:
                assert child.stdout is not None
                for line in child.stdout:
                    row = json.loads(line)
                    findings.add(row)
                    begin = row["end"]
                child.wait()
            finally:
                over.set()
                child.kill()
                watchdog.join()
        at, _, _ = MARK.unpack_from(mark, 0)
    if child.returncode:
        last = (said.read_text(errors="replace").strip().splitlines() or [""])[-1]
        what = f"hung for more than {HANG_S:g} s" if hung else f"the child ended with {child.returncode}: {last}"
        if at in findings.faults or at >= end:
            raise RuntimeError(f"the child did not start: {what}")
        findings.faults[at] = what
    return begin


def _watch(child: subprocess.Popen[str], mark: mmap.mmap, hung: list[int], over: threading.Event) -> None:
    """End a child that is busy with one input for too long."""
    idle = time.monotonic()
    while not over.wait(0.05):
        number, since, worked = MARK.unpack_from(mark, 0)
        now = time.monotonic()
        if since:
            idle = now
            busy = now - since > HANG_S and _cpu_time(child.pid) - worked > HANG_S
            late = busy or now - since > BLOCKED_S
        else:
            late = now - idle > START_S
        if late and MARK.unpack_from(mark, 0)[:2] == (number, since):
            hung.append(number)
            child.kill()
            return


def _cpu_time(process: int) -> float:
    """Return the seconds that a process has worked."""
    try:
        ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def save(findings: Findings, folder: Path | None, place: Path) -> None:
    """Write the inputs that crashed or hung the child."""
    for number in findings.faults:
        if findings.kind == "images":
            parts = [mutations.image(number, seeds.images(folder))]
        else:
            parts = mutations.message(number, seeds.messages(folder), as_new=findings.kind == "socket")
        place.mkdir(parents=True, exist_ok=True)
        for at, part in enumerate(parts):
            (place / f"{findings.kind}-{number}-{at}").write_bytes(part)


@dataclass(frozen=True, slots=True)
class FuzzCounts:
    """What became of the inputs of one kind."""

    inputs: str
    taken: int
    accepted: int
    refused: int
    reasons: int
    crashed_or_hung: int
    slowest_ms: float
    memory_grew_by_mb: float
    peak_memory_mb: float
    clean: bool

    @property
    def holds(self) -> bool:
        """Whether nothing crashed, hung or grew."""
        return self.clean


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], FuzzCounts]]:
    """Take 100,000 images and 100,000 messages, of which 5,000 through a socket; or a hundredth."""
    numbers = {"images": 100_000, "messages": 95_000, "socket": 5_000}
    return [
        partial(_counted, kind, number // 100 if quick else number, seed * 1_000_000, progress)
        for kind, number in numbers.items()
    ]


def _counted(kind: str, number: int, first: int, progress: Progress) -> FuzzCounts:
    progress(0, 1, f"{number} of {kind}")
    found = fuzz(kind, number, first=first, folder=NEU if NEU.is_dir() else None)
    save(found, NEU if NEU.is_dir() else None, Path("runs/fuzz"))
    progress(1, 1, f"{number} of {kind}")
    return FuzzCounts(
        kind,
        found.total,
        found.accepted,
        found.refused.total(),
        len(found.refused),
        len(found.faults),
        1000 * found.slowest[0],
        found.growth / 1024,
        found.peak / 1024,
        found.clean,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--through-socket", type=int, help="of the messages; a twentieth where it is not said")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument(
        "--neu", type=Path, default=NEU, help="folder of the NEU images; drawn ones where it is missing"
    )
    asked = parser.parse_args()
    sockets = asked.messages // 20 if asked.through_socket is None else asked.through_socket
    folder = asked.neu.resolve() if asked.neu.is_dir() else None
    clean = True
    for kind, number in (("images", asked.images), ("messages", asked.messages - sockets), ("socket", sockets)):
        if number > 0:
            began = time.monotonic()
            findings = fuzz(kind, number, first=asked.first, folder=folder)
            clean = clean and findings.clean
            save(findings, folder, Path("runs/fuzz"))
            sys.stdout.write("\n".join([*findings.lines(), f"  in {time.monotonic() - began:.0f} s\n"]))
            sys.stdout.flush()
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
