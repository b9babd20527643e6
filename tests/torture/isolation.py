"""A sink that sleeps and a sink that raises, beside others: verdicts and deliveries to the others take as long as ever.

Undisturbed and disturbed phases take turns in one run of one line, so that what else the machine does strikes both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.torture.feeds import ZmqFeed
from tests.torture.notes import deliveries, verdicts
from tests.torture.patience import becomes_true, stands_still
from tests.torture.scenario import Progress, silent
from tests.torture.served import BYSTANDERS, ServedLine

RATE = 40.0  # frames a second: a fraction of what two cores inspect
ALLOWED = 1.10  # p99 with disturbance to p99 without
STILL_S = 45.0  # a lane's longest pause between two tries is 30 s

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

[plugins.sleeper]
type = "{bystanders}:Sleeper"
path = "sleeper.txt"
pause_s = {sleep_s}
disturbed = "disturbed"

[plugins.raiser]
type = "{bystanders}:Raiser"
path = "raiser.txt"
disturbed = "disturbed"
raised = "raised.txt"

[plugins.archive]
type = "{bystanders}:Archive"
path = "archive.txt"

[plugins.witness]
type = "{bystanders}:Witness"
path = "witness.txt"
"""


@dataclass(frozen=True, slots=True)
class IsolationCounts:
    """What the others felt of a sink that sleeps and a sink that raises."""

    rounds: int  # an undisturbed and a disturbed phase each
    phase_s: float
    frames_undisturbed: int
    frames_disturbed: int
    batches_overslept: int  # deliveries to the sleeper that waited for as long as it sleeps
    batches_raised: int
    verdict_p50_undisturbed_ms: float
    verdict_p50_disturbed_ms: float
    verdict_p99_undisturbed_ms: float
    verdict_p99_disturbed_ms: float
    verdict_ratio: float  # of the two p99
    delivery_p99_undisturbed_ms: float  # from completion to delivery at the other sink
    delivery_p99_disturbed_ms: float
    delivery_ratio: float
    lost: int  # frames that any of the three sinks never got

    @property
    def holds(self) -> bool:
        """The disturbance was there, both are within 10 %, and nobody missed a frame."""
        disturbed = self.batches_overslept > 0 and self.batches_raised > 0
        return disturbed and self.verdict_ratio <= ALLOWED and self.delivery_ratio <= ALLOWED and not self.lost


@dataclass(frozen=True, slots=True)
class _Phase:
    disturbed: bool
    began: float  # seconds since 1970
    ended: float

    def holds(self, at: float) -> bool:
        return self.began <= at < self.ended


def isolation(
    rounds: int, phase_s: float, *, settle_s: float, rate: float = RATE, progress: Progress = silent
) -> IsolationCounts:
    """Let phases of *phase_s* seconds take turns; the first *settle_s* of each, where the last one fades, do not count.

    The sleeper sleeps as long as a phase.
    """
    with tempfile.TemporaryDirectory(prefix="torture-isolation-") as name:
        folder = Path(name)
        feed = ZmqFeed(folder, rate)
        path = folder / "line.toml"
        path.write_text(LINE.format(source=feed.table, sleep_s=phase_s, bystanders=BYSTANDERS))
        with ServedLine(path) as line:
            try:
                line.start()
                feed.start()
                assert becomes_true((folder / "witness.txt").exists, 30), f"no verdict: {line.last_words()}"
                phases = list(_take_turns(folder, rounds, phase_s, settle_s, progress))
                feed.stop()
            finally:
                feed.end()
            frames = set(range(feed.added()))
            sinks = [folder / f"{one}.txt" for one in ("archive", "sleeper", "raiser")]
            stands_still(lambda: sum(_known(sink) for sink in sinks), 3 * len(frames), STILL_S, 300)
            line.end()
        lost = sum(len(frames.difference(one.number for one in deliveries(sink))) for sink in sinks)
        return _counted(folder, phases, rounds, phase_s, lost)


def _take_turns(folder: Path, rounds: int, phase_s: float, settle_s: float, progress: Progress) -> Sequence[_Phase]:
    disturbed, phases = folder / "disturbed", []
    for number in range(2 * rounds):
        progress(number, 2 * rounds, "disturbed" if number % 2 else "undisturbed")
        if number % 2:
            disturbed.touch()
        else:
            disturbed.unlink(missing_ok=True)
        began = time.time()
        time.sleep(phase_s)  # the duration is what is tried
        phases.append(_Phase(bool(number % 2), began + settle_s, time.time()))
    disturbed.unlink()
    return phases


def _known(sink: Path) -> int:
    return len({one.number for one in deliveries(sink)})


def _counted(folder: Path, phases: Sequence[_Phase], rounds: int, phase_s: float, lost: int) -> IsolationCounts:
    reached, taken = verdicts(folder / "witness.txt"), deliveries(folder / "archive.txt")
    latencies: dict[bool, list[float]] = {False: [], True: []}  # disturbed -> milliseconds
    delays: dict[bool, list[float]] = {False: [], True: []}
    for phase in phases:
        latencies[phase.disturbed] += [one.latency_ms for one in reached if phase.holds(one.at)]
        delays[phase.disturbed] += [1000 * (one.at - one.completed_at) for one in taken if phase.holds(one.at)]
    overslept = {one.at for one in deliveries(folder / "sleeper.txt") if one.at - one.completed_at >= 0.9 * phase_s}
    raised = folder / "raised.txt"
    verdict = {disturbed: np.percentile(found, (50, 99)) for disturbed, found in latencies.items()}
    delivery = {disturbed: np.percentile(found, 99) for disturbed, found in delays.items()}
    return IsolationCounts(
        rounds=rounds,
        phase_s=phase_s,
        frames_undisturbed=len(latencies[False]),
        frames_disturbed=len(latencies[True]),
        batches_overslept=len(overslept),
        batches_raised=raised.read_text().count("raised") if raised.exists() else 0,
        verdict_p50_undisturbed_ms=float(verdict[False][0]),
        verdict_p50_disturbed_ms=float(verdict[True][0]),
        verdict_p99_undisturbed_ms=float(verdict[False][1]),
        verdict_p99_disturbed_ms=float(verdict[True][1]),
        verdict_ratio=float(verdict[True][1] / verdict[False][1]),
        delivery_p99_undisturbed_ms=float(delivery[False]),
        delivery_p99_disturbed_ms=float(delivery[True]),
        delivery_ratio=float(delivery[True] / delivery[False]),
        lost=lost,
    )


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], IsolationCounts]]:
    """Take turns of 30 s for eight rounds, or of 3 s for two."""
    rounds, phase_s, settle_s = (2, 3, 0.5) if quick else (8, 30, 3)
    return [partial(isolation, rounds, phase_s, settle_s=settle_s, progress=progress)]
