from __future__ import annotations

from linecore_models.conclusions import Conclusion as Said
from linecore_models.conclusions import k_of_n, level_above, level_below, overall, percent
from linecore_models.measurements import Proportion


def test_a_share_that_is_not_all_is_never_told_as_all() -> None:
    assert percent(1.0) == "100.0 %"
    assert percent(10_483 / 10_488) == "99.95 %"
    assert percent(226 / 228) == "99.1 %"
    assert percent(99_999 / 100_000) == "99.999 %"


def test_a_share_that_is_not_nothing_is_never_told_as_nothing() -> None:
    assert percent(0.0) == "0.0 %"
    assert percent(2 / 10_488) == "0.02 %"


def test_counts_come_with_their_interval() -> None:
    assert k_of_n(Proportion.of(226, 228), "frames") == "226 of 228 frames (99.1 %, 95 % interval 96.9 to 99.8 %)"
    assert k_of_n(Proportion.of(0, 1228)) == "0 of 1,228 (0.0 %, 95 % interval 0.0 to 0.3 %)"


def test_levels_end_at_their_bounds() -> None:
    assert [level_above(share, (0.99, 0.95)) for share in (0.99, 0.989, 0.95, 0.949)] == [
        "trust",
        "care",
        "care",
        "do not trust",
    ]
    assert [level_below(share, (0.01, 0.05)) for share in (0.01, 0.011, 0.05, 0.051)] == [
        "trust",
        "care",
        "care",
        "do not trust",
    ]


def test_the_worst_conclusion_decides() -> None:
    assert overall((Said("a", "trust", ""), Said("b", "do not trust", ""), Said("c", "care", ""))) == "do not trust"
    assert overall((Said("a", "trust", ""), Said("c", "care", ""))) == "care"
    assert overall((Said("a", "trust", ""),)) == "trust"
