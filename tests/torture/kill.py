"""kill -9 at random moments: nothing is lost, nothing is there twice, the ledger balances.

The line has a history and a second sink that lags behind it, so that there is always something decided and not yet
delivered. Frames come all the while, also while the line is down.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.db.databases import fresh_database
from tests.torture.feeds import Feed, FolderFeed, ZmqFeed
from tests.torture.nats_feed import NatsFeed
from tests.torture.notes import deliveries, written
from tests.torture.patience import becomes_true, stands_still
from tests.torture.recorded import History, open_history
from tests.torture.scenario import Progress, silent
from tests.torture.served import BYSTANDERS, ServedLine
from tests.torture.status import account_of

RATE = 30.0  # frames a second: a fraction of what one core inspects, so that a line that starts again catches up
STARTING_S = 1.2  # a kill within this falls into the start, or just behind it
FLOWING_S = 1.5
STILL_S = 8.0  # a line that has delivered nothing for so long has nothing more to deliver: a sender's pauses are 4 s
END_S = 300.0

FEEDS: dict[str, Callable[[Path, float], Feed]] = {"folder": FolderFeed, "zmq": ZmqFeed, "nats": NatsFeed}
DATABASES = ("sqlite", "postgresql")

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

[plugins.database]
url = "{url}"

[plugins.archive]
type = "{bystanders}:Archive"
path = "archive.txt"
pause_s = 0.15

[plugins.witness]
type = "{bystanders}:Witness"
path = "witness.txt"
"""


@dataclass(frozen=True, slots=True)
class KillCounts:
    """What one source and one database have come through."""

    of: str  # where the frames came from
    on: str  # the database
    kills: int
    while_starting: int
    at_first_verdicts: int
    frames: int
    lost: int  # frames that are not in the history
    twice: int  # frames with more than one row
    lost_to_archive: int  # frames that the sink that lags never got
    unsettled: int  # 1 where the source's side was never told that all is safe
    unbalanced: int  # kills, and the end, after which the ledger did not add up or explain the history

    @property
    def holds(self) -> bool:
        """Nothing lost, nothing twice, every ledger balanced."""
        return not (self.lost or self.twice or self.lost_to_archive or self.unsettled or self.unbalanced)


def kill_at_random(
    of: str,
    on: str,
    kills: int,
    *,
    seed: int = 0,
    still_s: float = STILL_S,
    program: Sequence[str] = ("-m", "linecore"),
    progress: Progress = silent,
) -> KillCounts:
    """Kill a line *kills* times that takes frames *of* a source and writes them *on* a database; count what is left."""
    with tempfile.TemporaryDirectory(prefix="torture-kill-") as name:
        folder = Path(name)
        with fresh_database(on, folder) as url, open_history(url, folder) as history:
            feed = FEEDS[of](folder, RATE)
            path = folder / "line.toml"
            path.write_text(LINE.format(source=feed.table, url=url, bystanders=BYSTANDERS))
            with ServedLine(path, program) as line:
                try:
                    feed.start()
                    moments, unbalanced = _kill(
                        line, history, kills, random.Random(f"{of} {on} {seed}"), progress, shared=of == "nats"
                    )
                    rows, archived = _drain(line, feed, history, still_s)
                    settled = feed.end()
                    line.end()
                    frames = set(range(feed.added()))
                    return KillCounts(
                        of=of,
                        on=on,
                        kills=moments.total(),
                        while_starting=moments["starting"],
                        at_first_verdicts=moments["first"],
                        frames=len(frames),
                        lost=len(frames.difference(rows)),
                        twice=len(rows) - len(set(rows)),
                        lost_to_archive=len(frames.difference(archived)),
                        unsettled=int(not settled),
                        unbalanced=unbalanced + (not _balances_in_the_end(line, len(frames))),
                    )
                finally:
                    feed.end()


def _kill(
    line: ServedLine, history: History, kills: int, chance: random.Random, progress: Progress, *, shared: bool
) -> tuple[Counter[str], int]:
    """Start the line and kill it, again and again; return how many kills fell when, and how many ledgers were wrong."""
    moments: Counter[str] = Counter()
    unbalanced = 0
    for number in range(kills):
        moment = chance.choices(("starting", "first", "flowing"), (15, 25, 60))[0]
        moments[moment] += 1
        progress(number, kills, f"kill while {moment}")
        witness = line.folder / "witness.txt"
        told = partial(_tells_more, witness, written(witness))
        line.start(ready=moment == "flowing")
        if moment == "starting":
            _let_go_by(chance.uniform(0, STARTING_S))
        else:
            assert becomes_true(told, 30, every_s=0.001), f"no verdict: {line.last_words()}"
            _let_go_by(chance.uniform(0, 0.05 if moment == "first" else FLOWING_S))
        assert line.running, f"the line ended by itself: {line.last_words()}"
        line.kill()
        unbalanced += not account_of(line.path).explains(history.count(), shared=shared)
    return moments, unbalanced


def _balances_in_the_end(line: ServedLine, frames: int) -> bool:
    """Say whether the last run's own words add up, and the ledger of all runs has each frame once and none on its way.

    A frame that was on its way at a kill was captured twice, and given back once.
    """
    account = account_of(line.path)
    return line.balanced() and account.explains(frames) and account.recorded == frames and not account.in_flight


def _tells_more(path: Path, before: int) -> bool:
    return written(path) > before


def _drain(line: ServedLine, feed: Feed, history: History, still_s: float) -> tuple[list[int], list[int]]:
    """Start the line once more and let it take what is left; return the frames of the history and of the archive."""
    archive = line.folder / "archive.txt"
    line.start()
    feed.stop()

    def taken() -> int:
        return history.count() + len({one.number for one in deliveries(archive)})

    stands_still(taken, 2 * feed.added(), still_s, END_S)
    return history.numbers(), [one.number for one in deliveries(archive)]


def _let_go_by(seconds: float) -> None:
    """Let a moment of chance go by: the one thing here that is waited for by the clock."""
    time.sleep(seconds)


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], KillCounts]]:
    """Kill each source with each database: 200 times in all, or three each."""
    pairs = [(of, on) for of in FEEDS for on in DATABASES]
    each = 3 if quick else -(-200 // len(pairs))
    return [partial(kill_at_random, of, on, each, seed=seed, progress=progress) for of, on in pairs]
