from __future__ import annotations

from collections.abc import Callable

from linecore_models.pace import WARM_UP, alternating_ms, typical_ms


class Stopwatch:
    """A clock that goes on only when something runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ran: list[str] = []

    def now(self) -> float:
        return self.seconds

    def run(self, name: str, seconds: float) -> Callable[[], None]:
        def taking() -> None:
            self.seconds += seconds
            self.ran.append(name)

        return taking


def test_runs_alternate_after_a_warm_up_that_does_not_count() -> None:
    watch = Stopwatch()
    took = alternating_ms({"fast": watch.run("fast", 0.5), "slow": watch.run("slow", 2.0)}, 3, now=watch.now)
    assert took == {"fast": [500.0] * 3, "slow": [2000.0] * 3}
    assert watch.ran == ["fast"] * WARM_UP + ["slow"] * WARM_UP + ["fast", "slow"] * 3


def test_no_round_is_begun_when_the_time_is_up_but_there_is_always_one() -> None:
    watch = Stopwatch()
    assert alternating_ms({"slow": watch.run("slow", 2.0)}, 9, at_most_s=3.0, now=watch.now) == {"slow": [2000.0] * 2}
    assert alternating_ms({"slow": watch.run("slow", 2.0)}, 9, at_most_s=0.0, now=watch.now) == {"slow": [2000.0]}


def test_the_typical_time_is_the_median() -> None:
    took = typical_ms({1: lambda: None, 2: lambda: sum(range(20_000))})
    assert 0 <= took[1] < took[2]
