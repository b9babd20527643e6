"""The disk of journal and evidence fills up under load: verdicts go on, an alarm says so, and afterwards all is there.

History and webhook are elsewhere: a plant whose local disk is full still wants its rejects.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.torture.feeds import FolderFeed
from tests.torture.http_receiver import HttpReceiver
from tests.torture.notes import verdicts
from tests.torture.patience import becomes_true, stands_still
from tests.torture.recorded import History, open_history
from tests.torture.scenario import Progress, silent
from tests.torture.served import BYSTANDERS, ServedLine
from tests.torture.small_disk import SmallDisk, small_disk

RATE = 20.0  # frames a second
MEGABYTES = 160  # a minute of evidence and of what waits for a sink, and nearly as much again
STILL_S = 45.0  # a lane's longest pause between two tries is 30 s
ALARM_S = 20.0

LINE = """
[line]
name = "tortured"

[decision]
pass_labels = ["ok"]

{source}
[plugins.tflite]
model = "neu"
variant = "int8"

[plugins.gradcam]

[plugins.files]
path = ".linecore/evidence"
decisions = ["FAIL", "UNCERTAIN"]
overlays = false

[plugins.database]
url = "sqlite:///history.db"

[plugins.webhook]
url = "{url}"
inspections = "all"

[plugins.witness]
type = "{bystanders}:Witness"
path = "witness.txt"
"""


@dataclass(frozen=True, slots=True)
class DiskFullCounts:
    """What a line went through while its disk was full."""

    full_s: float
    frames: int
    verdicts_meanwhile: int
    expected_meanwhile: int
    received_meanwhile: int  # inspections that the webhook's receiver got
    alarm_raised: bool  # one whose name speaks of the journal
    alarm_cleared: bool
    lost: int  # frames that are not in the history
    twice: int
    lost_to_receiver: int
    evidence_missing: int  # files that a row names and that are not there, or not whole
    corrupt: int  # databases in the state folder that fail SQLite's own check
    unbalanced: int
    exit_code: int

    @property
    def holds(self) -> bool:
        """Verdicts went on, the alarm came and went, nothing is lost, nothing is there twice, nothing is corrupt."""
        went_on = self.verdicts_meanwhile >= 0.9 * self.expected_meanwhile
        missing = self.lost + self.twice + self.lost_to_receiver + self.evidence_missing + self.corrupt
        return went_on and self.alarm_raised and self.alarm_cleared and not (missing + self.unbalanced + self.exit_code)


def disk_full(full_s: float, *, around_s: float = 5.0, progress: Progress = silent) -> DiskFullCounts:
    """Fill the disk for *full_s* seconds under load, with *around_s* seconds before and after."""
    with tempfile.TemporaryDirectory(prefix="torture-disk-") as name:
        folder = Path(name)
        feed, receiver = FolderFeed(folder, RATE), HttpReceiver(folder)
        path = folder / "line.toml"
        path.write_text(LINE.format(source=feed.table, url=receiver.url, bystanders=BYSTANDERS))
        with small_disk(folder / ".linecore", MEGABYTES) as disk, ServedLine(path) as line:
            try:
                receiver.start()
                line.start()
                feed.start()
                return _fill(line, feed, receiver, disk, full_s, around_s, progress)
            finally:
                feed.end()
                receiver.stop()


def _fill(
    line: ServedLine,
    feed: FolderFeed,
    receiver: HttpReceiver,
    disk: SmallDisk,
    full_s: float,
    around_s: float,
    progress: Progress,
) -> DiskFullCounts:
    witness = line.folder / "witness.txt"
    assert becomes_true(witness.exists, 30), f"no verdict: {line.last_words()}"
    _let_go_by(around_s)
    progress(1, 4, "full")
    disk.fill()
    began = time.time()
    while (left := began + full_s - time.time()) > 0:
        disk.fill()  # what the line has given back meanwhile
        _let_go_by(min(0.2, left))
    ended = time.time()
    raised = becomes_true(lambda: _alarm(receiver, "raised"), 0)
    disk.empty()
    progress(2, 4, "free again")
    cleared = becomes_true(lambda: not raised or _alarm(receiver, "cleared"), ALARM_S)
    _let_go_by(around_s)
    feed.stop()
    frames = set(range(feed.added()))
    progress(3, 4, "catching up")
    with open_history("sqlite:///history.db", line.folder) as history:
        stands_still(lambda: _taken(history, receiver), 2 * len(frames), STILL_S, 300)
        exit_code = line.end()
        rows = history.numbers()
        evidence = history.evidence()
    meanwhile = [one for one in verdicts(witness) if began <= one.at < ended]
    return DiskFullCounts(
        full_s=full_s,
        frames=len(frames),
        verdicts_meanwhile=len(meanwhile),
        expected_meanwhile=int(RATE * (ended - began)),
        received_meanwhile=sum(began <= one.at < ended for one in receiver.received()),
        alarm_raised=raised,
        alarm_cleared=raised and cleared,
        lost=len(frames.difference(rows)),
        twice=len(rows) - len(set(rows)),
        lost_to_receiver=len(frames.difference(one.number for one in receiver.received())),
        evidence_missing=sum(not _whole(Path(path)) for path in evidence),
        corrupt=sum(not _sound(path) for path in disk.path.rglob("*.sqlite3")),
        unbalanced=int(not line.balanced()),
        exit_code=exit_code,
    )


def _alarm(receiver: HttpReceiver, state: str) -> bool:
    return any(one.startswith(state) and "journal" in one for one in receiver.alarms())


def _taken(history: History, receiver: HttpReceiver) -> int:
    return history.count() + len({one.number for one in receiver.received()})


def _whole(path: Path) -> bool:
    """Say whether a JPEG file is there from its first to its last mark."""
    content = path.read_bytes() if path.is_file() else b""
    return content.startswith(b"\xff\xd8") and content.rstrip(b"\0").endswith(b"\xff\xd9")


def _sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
        return bool(found == "ok")


def _let_go_by(seconds: float) -> None:
    """Let time go by while the disk is full: the duration is what is tried."""
    time.sleep(seconds)


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], DiskFullCounts]]:
    """Fill the disk for a minute, or for four seconds."""
    full_s, around_s = (4, 2) if quick else (60, 10)
    return [partial(disk_full, full_s, around_s=around_s, progress=progress)]
