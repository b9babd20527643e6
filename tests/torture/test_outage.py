"""A server that comes back misses nothing, and nobody has waited for it; tests/db has the short one of PostgreSQL."""

import pytest

from tests.torture.outage import outage


@pytest.mark.parametrize("of", ["http", "nats", "mqtt"])
def test_a_server_that_was_away_gets_everything_once_and_in_order(of: str) -> None:
    counts = outage(of, 3, around_s=1)
    assert counts.frames > 60
    assert counts.verdicts_meanwhile >= 0.8 * counts.expected_meanwhile, counts
    assert (counts.lost, counts.twice, counts.disordered) == (0, 0, 0), counts
    assert counts.marked_late > 0, counts
