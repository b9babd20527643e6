"""How long models take beside one another.

A machine does other things too, so that only the times of runs that alternate can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TypeVar

Key = TypeVar("Key")

WARM_UP = 3


def alternating_ms(
    runs: Mapping[Key, Callable[[], object]],
    rounds: int,
    *,
    at_most_s: float | None = None,
    now: Callable[[], float] = time.perf_counter,
) -> dict[Key, list[float]]:
    """Run each in turn, *rounds* times, and return the milliseconds that each run took, in the order of the rounds.

    After *at_most_s* no further round is begun; there is always one. *now* tells seconds.
    """
    for run in runs.values():
        for _ in range(WARM_UP):
            run()
    took: dict[Key, list[float]] = {key: [] for key in runs}
    began = now()
    for round_ in range(rounds):
        if round_ and at_most_s is not None and now() - began > at_most_s:
            break
        for key, run in runs.items():
            start = now()
            run()
            took[key].append(1000 * (now() - start))
    return took


def typical_ms(runs: Mapping[Key, Callable[[], object]]) -> dict[Key, float]:
    """Return the median time that each takes, measured for at most half a second each."""
    return {key: median(took) for key, took in alternating_ms(runs, 15, at_most_s=0.5 * len(runs)).items()}
