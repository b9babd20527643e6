"""A full disk stops no verdict and costs no frame."""

from tests.torture.disk_full import disk_full


def test_a_full_disk_stops_no_verdict_and_costs_no_frame() -> None:
    counts = disk_full(3, around_s=1)
    assert counts.verdicts_meanwhile >= 0.8 * counts.expected_meanwhile, counts
    assert counts.alarm_raised and counts.alarm_cleared, counts
    assert (counts.lost, counts.twice, counts.lost_to_receiver, counts.evidence_missing) == (0, 0, 0, 0), counts
    assert (counts.corrupt, counts.unbalanced, counts.exit_code) == (0, 0, 0), counts
