"""kill -9 loses nothing; and this proof can fail. `make torture` has every pair, and 200 kills."""

import pytest

from tests.torture.kill import kill_at_random
from tests.torture.mutants import killed

SEED = 1  # its first kill falls while frames flow


@pytest.mark.parametrize(("of", "on"), [("folder", "sqlite"), ("zmq", "postgresql"), ("nats", "sqlite")])
def test_kill_9_at_random_loses_nothing_and_records_nothing_twice(of: str, on: str) -> None:
    counts = kill_at_random(of, on, 2, seed=SEED)
    assert counts.kills == 2
    assert counts.frames > 10
    assert counts.holds, counts


@pytest.mark.parametrize("mutant", ["slow-disk+settle-first", "never-commit"])
def test_a_broken_product_fails_the_same_proof(mutant: str) -> None:
    counts = killed(mutant, 1, wanted=True, seed=SEED)
    assert counts.frames > 10
    assert counts.holds, counts
