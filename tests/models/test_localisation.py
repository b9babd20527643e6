from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_models.boxes import Mask
from linecore_models.localisation import CANDIDATES, choose_threshold


def ramp(width: int, height: int = 20) -> FloatArray:
    """Return a class map that falls from 1 at the left to 0 beyond the right edge, in *width* columns."""
    return np.repeat(np.linspace(1, 0, width, endpoint=False, dtype=np.float32)[np.newaxis], height, axis=0)


def left(columns: int, width: int, height: int = 20) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[:, :columns] = True
    return mask


def test_the_threshold_is_where_the_regions_fit_the_boxes() -> None:
    # Columns 0 to 29 of 100 are the defect: column 29 has heat 0.71, column 30 has 0.70.
    found = choose_threshold([ramp(100)], [left(30, 100)], ["scratches"], candidates=(0.5, 0.705, 0.9))
    assert (found.share, found.iou) == (0.705, 1.0)


def test_its_iou_is_as_by_hand() -> None:
    found = choose_threshold([ramp(100)], [left(30, 100)], ["scratches"], candidates=(0.495, 0.895))
    # From 0.495 on are 51 columns, of which 30 are right; from 0.895 on are 11.
    assert found.share == 0.495
    assert found.iou == pytest.approx(30 / 51)


def test_each_label_counts_as_much_as_any_other() -> None:
    many, few = 0.905, 0.405  # 10 and 60 columns
    maps, truths = [ramp(100)] * 5, [left(10, 100), left(10, 100), left(10, 100), left(60, 100), left(60, 100)]
    # Of the images alone three of five fit the first candidate.
    assert choose_threshold(maps, truths, ["patches"] * 5, (many, few)).share == many
    # Of the labels two of three fit the second: 1/6 + 1 + 1.
    found = choose_threshold(maps, truths, ["patches", "patches", "patches", "scratches", "crazing"], (many, few))
    assert found.share == few
    assert found.iou == pytest.approx((1 / 6 + 2) / 3)


def test_of_thresholds_that_fit_alike_the_highest_is_taken() -> None:
    class_map = np.zeros((20, 20), np.float32)
    class_map[5:10, 5:10] = 1
    found = choose_threshold([class_map], [class_map > 0], ["scratches"])
    assert (found.share, found.iou) == (CANDIDATES[-1], 1.0)


def test_maps_and_images_may_differ_in_size() -> None:
    class_map = np.array([[1, -1]], np.float32)
    found = choose_threshold([class_map], [left(10, 20, height=10)], ["scratches"], candidates=(0.01, 0.9))
    assert (found.share, found.iou) == (0.01, 1.0)


def test_cold_maps_fit_nothing() -> None:
    found = choose_threshold([np.zeros((20, 20), np.float32)], [left(5, 20)], ["scratches"])
    assert found.iou == 0


def test_the_candidates_are_shares_of_the_peak() -> None:
    assert CANDIDATES[0] > 0
    assert CANDIDATES[-1] < 1
    assert list(CANDIDATES) == sorted(set(CANDIDATES))
