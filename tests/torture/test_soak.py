"""What a line holds of its machine stays as it is; the half hour is for `make torture`."""

from tests.torture.soak import soak


def test_a_line_under_load_grows_nothing() -> None:
    counts = soak(1 / 8, every_s=0.25, measure_s=1.5)
    assert counts.capacity_fps > 10
    assert counts.frames > 4 * counts.offered_fps
    assert counts.holds, counts
