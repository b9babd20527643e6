"""First to disk, then to the source: the order that a loss of power asks for, seen through strace.

After kill -9 the operating system still writes what it was given, so a kill cannot show a missing fsync. The system
calls of a line can: the name of a frame must have gone into the journal's file, and that must have been synchronised,
before the frame's file is moved, or its sender is answered.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.conftest import ROOT, skip_or_fail
from tests.torture.feeds import ZmqFeed
from tests.torture.notes import verdicts
from tests.torture.patience import becomes_true
from tests.torture.scenario import Progress, silent
from tests.torture.served import BYSTANDERS
from tests.torture.steel import Steel, place
from tests.torture.strace import CALLS, LONGEST, Order, order_of

RATE = 20.0  # frames a second, of a sender
END_S = 60.0

LINE = """
[line]
name = "tortured"

[decision]
pass_labels = ["ok"]

{source}
[plugins.tflite]
model = "neu"
variant = "int8"

[plugins.database]
url = "sqlite:///history.db"

[plugins.witness]
type = "{bystanders}:Witness"
path = "witness.txt"
"""

FOLDER = """[plugins.folder]
path = "incoming"
settle_s = 0
done = "move"
done_folder = "done"
"""

MOVED = re.compile(r'/incoming/n\d{7}\.jpg", .*/done/')
ANSWERED = re.compile(r'\\"id\\":\\"n\d{7}\\",\\"status\\":\\"recorded\\"')


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """What strace saw of a line."""

    of: str  # the source
    frames: int
    settled: int  # frames that the source was told of
    early: int  # those of them that were on no disk by then
    synchronisations: int

    @property
    def holds(self) -> bool:
        """Every frame was settled, and none before it was on disk."""
        return self.settled == self.frames > 0 and self.early == 0


def settlement_order(
    of: str, frames: int, *, program: Sequence[str] = ("-m", "linecore"), progress: Progress = silent
) -> OrderCounts:
    """Serve about so many *frames* of a folder or a sender under strace, and look at the order of its system calls."""
    if shutil.which("strace") is None:
        skip_or_fail("strace is not installed")
    with tempfile.TemporaryDirectory(prefix="torture-order-") as name:
        folder = Path(name)
        if of == "folder":
            seen = _of_folder(folder, frames, program)
        else:
            seen, frames = _of_sender(folder, frames, program)
        progress(1, 1, of)
        return OrderCounts(of, frames, len(seen.settled), len(seen.early), seen.synchronisations)


def _of_folder(folder: Path, frames: int, program: Sequence[str]) -> Order:
    incoming, steel = folder / "incoming", Steel()
    incoming.mkdir()
    for number in range(frames):
        place(incoming, number, steel[number])
    with _traced(folder, FOLDER, program, "--until-exhausted") as process:
        _wait(process)
    return _seen(folder, MOVED)


def _of_sender(folder: Path, frames: int, program: Sequence[str]) -> tuple[Order, int]:
    feed, witness = ZmqFeed(folder, RATE), folder / "witness.txt"
    with _traced(folder, feed.table, program) as process:
        try:
            feed.start()
            assert becomes_true(lambda: len(verdicts(witness)) >= frames, END_S), "the line does not come on"
            feed.stop()
        finally:
            feed.end()
        os.killpg(process.pid, signal.SIGTERM)
        _wait(process)
    return _seen(folder, ANSWERED), feed.added()


@contextmanager
def _traced(folder: Path, source: str, program: Sequence[str], *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a line under strace meanwhile, in a process group that ends as one."""
    path = folder / "line.toml"
    path.write_text(LINE.format(source=source, bystanders=BYSTANDERS))
    command = ["strace", "-f", "-y", "-s", str(LONGEST), "-e", f"trace={CALLS}", "-o", str(folder / "strace.txt")]
    command += [sys.executable, *program, "serve", str(path), *options]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, stdout=nowhere, stderr=nowhere, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(END_S) == 0, "the line has not ended well"


def _seen(folder: Path, settles: re.Pattern[str]) -> Order:
    with (folder / "strace.txt").open(errors="replace") as lines:
        return order_of(lines, settles)


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], OrderCounts]]:
    """Look at a thousand frames of a folder and of a sender, or at fifty."""
    return [partial(settlement_order, of, 50 if quick else 1000, progress=progress) for of in ("folder", "zmq")]
