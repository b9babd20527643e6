"""A sink that sleeps and one that raises cost the others nothing."""

from tests.torture.isolation import isolation

NOISE = 25.0  # milliseconds: what a busy machine of CI may add to the worst of two hundred frames


def test_sinks_that_sleep_and_raise_delay_nobody() -> None:
    counts = isolation(1, 3, settle_s=0.5)
    assert counts.frames_undisturbed > 50 and counts.frames_disturbed > 50
    assert counts.batches_overslept > 0 and counts.batches_raised > 0, counts
    assert counts.lost == 0, counts
    assert counts.verdict_p50_disturbed_ms <= 1.5 * counts.verdict_p50_undisturbed_ms + NOISE, counts
    assert counts.delivery_p99_disturbed_ms < 1000, counts  # the sleeper sleeps for three seconds
