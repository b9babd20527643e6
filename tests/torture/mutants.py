"""The proofs of killing and of order, run on a product that is broken on purpose: they must find it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.torture.kill import kill_at_random
from tests.torture.mutant import program
from tests.torture.order import settlement_order
from tests.torture.scenario import Progress, silent


@dataclass(frozen=True, slots=True)
class MutantCounts:
    """What a proof found of one mutant."""

    of: str  # the mutant
    on: str  # the proof
    frames: int
    found: int  # frames lost to a sink, or settled before they were on disk
    wanted: bool  # whether there was something to find

    @property
    def holds(self) -> bool:
        """What is broken is found out, and what is not is left in peace."""
        return (self.found > 0) == self.wanted


def killed(mutant: str, kills: int, wanted: bool, *, seed: int = 0, progress: Progress = silent) -> MutantCounts:
    """Kill a mutant that takes frames of a folder, *kills* times."""
    counts = kill_at_random(
        "folder", "sqlite", kills, seed=seed, still_s=4.0, program=program(mutant), progress=progress
    )
    return MutantCounts(mutant, "kill", counts.frames, counts.lost + counts.lost_to_archive, wanted)


def traced(mutant: str, frames: int, wanted: bool, *, progress: Progress = silent) -> MutantCounts:
    """Look at the system calls of a mutant that takes *frames* of a folder."""
    counts = settlement_order("folder", frames, program=program(mutant), progress=progress)
    return MutantCounts(mutant, "order", counts.frames, counts.early, wanted)


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], MutantCounts]]:
    """Try each mutant on the proof that can show it, and a slow disk, which breaks nothing."""
    kills, frames = (2, 50) if quick else (10, 500)
    kill = partial(killed, kills=kills, seed=seed, progress=progress)
    trace = partial(traced, frames=frames, progress=progress)
    return [
        partial(kill, "slow-disk", wanted=False),
        partial(kill, "slow-disk+settle-first", wanted=True),
        partial(kill, "never-commit", wanted=True),
        partial(trace, "slow-disk", wanted=False),
        partial(trace, "settle-first", wanted=True),
        partial(trace, "no-sync", wanted=True),
    ]
