"""First to disk, then to the source; and this proof can fail."""

import pytest

from tests.torture.mutants import traced
from tests.torture.order import settlement_order


@pytest.mark.parametrize("of", ["folder", "zmq"])
def test_no_source_is_told_before_a_frame_is_on_disk(of: str) -> None:
    counts = settlement_order(of, 30)
    assert counts.settled >= 30
    assert counts.synchronisations > 0
    assert counts.holds, counts


@pytest.mark.parametrize("mutant", ["settle-first", "no-sync"])
def test_a_broken_product_fails_the_same_proof(mutant: str) -> None:
    counts = traced(mutant, 30, wanted=True)
    assert counts.frames == 30
    assert counts.holds, counts
