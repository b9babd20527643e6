from __future__ import annotations

import numpy as np
import pytest

from linecore_models.heatmap import MIN_AREA, REGION_THRESHOLD, heatmap, segment


def test_a_heat_map_has_the_frames_size_and_peaks_at_one() -> None:
    class_map = np.array([[0, 0, 0], [0, 0, 8], [0, 0, 0]], np.float32)
    hot = heatmap(class_map, (90, 120))
    assert hot.shape == (90, 120)
    assert hot.dtype == np.float32
    assert (hot.min(), hot.max()) == (0, 1)
    y, x = np.unravel_index(hot.argmax(), hot.shape)
    assert 30 <= y < 60
    assert 80 <= x < 120


def test_what_speaks_against_the_label_is_cold() -> None:
    hot = heatmap(np.array([[-9, 1]], np.float32), (10, 20, 3))
    assert hot[:, :5].max() == 0
    assert hot[:, 15:].min() == 1


@pytest.mark.parametrize("value", [0, -1, 1e-40, np.nan])
def test_where_nothing_speaks_for_the_label_all_is_cold(value: float) -> None:
    assert not heatmap(np.full((7, 7), value, np.float32), (50, 50)).any()


def test_the_class_map_is_left_alone() -> None:
    class_map = np.array([[-1, 1]], np.float32)
    class_map.flags.writeable = False
    heatmap(class_map, (4, 4))
    assert class_map.min() == -1


def test_the_heat_ends_where_the_evidence_changes_sign() -> None:
    # The middles of the two cells lie at 4.5 and 14.5: from 1 there to -1 here, the sign changes between them.
    hot = heatmap(np.array([[1, -1]], np.float32), (10, 20))
    assert hot[0, 9] > 0
    assert hot[0, 10] == 0
    assert hot[0, 7] == pytest.approx(0.5)


def test_one_hot_cell_among_very_cold_ones_is_seen() -> None:
    class_map = np.full((3, 3), -100, np.float32)
    class_map[1, 1] = 0.5
    hot = heatmap(class_map, (30, 30))
    assert hot.max() == 1
    assert hot[14:16, 14:16].min() == 1
    assert not hot[:5].any()


def test_regions_are_the_connected_hot_parts_hottest_first() -> None:
    hot = np.zeros((40, 60), np.float32)
    hot[5:15, 10:20] = 0.6
    hot[30:35, 40:60] = 1.0
    hot[0, 59] = 0.9
    (first, second), _ = segment(hot, threshold=0.5, min_area=2)
    assert (first.box, first.area, first.score) == ((40, 30, 60, 35), 100, 1.0)
    assert (second.box, second.area) == ((10, 5, 20, 15), 100)
    assert second.score == pytest.approx(0.6)


def test_the_mask_is_white_on_the_pixels_of_the_regions_and_black_elsewhere() -> None:
    hot = np.zeros((40, 60), np.float32)
    hot[5:15, 10:20] = 0.6
    hot[8, 12] = 0.4  # a hole
    hot[30:35, 40:60] = 1.0
    hot[0, 59] = 0.9
    found, mask = segment(hot, threshold=0.5, min_area=2)
    expected = np.zeros((40, 60), np.uint8)
    expected[5:15, 10:20] = 255
    expected[8, 12] = 0
    expected[30:35, 40:60] = 255
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)
    assert np.count_nonzero(mask) == sum(region.area for region in found)


def test_the_threshold_is_a_share_of_the_peak() -> None:
    found, mask = segment(np.array([[0.1, 0.2, 0.4]], np.float32), threshold=0.5, min_area=1)
    assert [region.box for region in found] == [(1, 0, 3, 1)]
    np.testing.assert_array_equal(mask, [[0, 255, 255]])


def test_parts_that_touch_at_a_corner_are_one() -> None:
    found, _ = segment(np.eye(6, dtype=np.float32), min_area=1)
    assert len(found) == 1
    assert REGION_THRESHOLD == 0.5


def test_what_is_smaller_than_the_least_area_is_left_out_of_the_mask_too() -> None:
    hot = np.zeros((20, 20), np.float32)
    hot[:3, :5] = 1
    found, mask = segment(hot)
    assert MIN_AREA == 16
    assert found == ()
    assert not mask.any()
    hot[3, 0] = 1
    found, mask = segment(hot)
    assert [region.area for region in found] == [16]
    assert np.count_nonzero(mask) == 16


@pytest.mark.parametrize("shape", [(20, 30), (0, 0)])
def test_a_cold_map_has_no_region(shape: tuple[int, int]) -> None:
    found, mask = segment(np.zeros(shape, np.float32), min_area=1)
    assert found == ()
    assert mask.shape == shape
    assert mask.dtype == np.uint8
    assert not mask.any()
