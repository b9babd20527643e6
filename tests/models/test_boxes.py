from __future__ import annotations

import numpy as np

from linecore_models.boxes import Box, Window, label_mask, mirror_out


def test_a_mask_is_the_union_of_the_labels_boxes() -> None:
    boxes = (Box(0, 0, 2, 1, "a"), Box(1, 0, 3, 2, "a"), Box(0, 1, 1, 2, "b"))
    assert label_mask(boxes, "a", 2, 4).astype(int).tolist() == [[1, 1, 1, 0], [0, 1, 1, 0]]
    assert label_mask(boxes, "b", 2, 4).astype(int).tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    assert label_mask(boxes, None, 2, 4).astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 1, 0]]


def test_a_pixel_that_a_box_touches_counts_and_the_rest_of_the_world_does_not() -> None:
    boxes = (Box(0.9, 0.2, 1.1, 0.3, "a"), Box(-5, -5, -1, -1, "a"), Box(3.5, 1, 90, 90, "a"))
    assert label_mask(boxes, "a", 2, 4).astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]]


def test_a_narrow_window_is_mirrored_again_and_again() -> None:
    pixels = np.array([[10, 20, 30, 40, 50, 60, 70]], np.uint8)
    assert mirror_out(pixels, Window(3, 0, 5, 1)).tolist() == [[50, 40, 50, 40, 50, 40, 50]]
    assert mirror_out(pixels, Window(3, 0, 4, 1)).tolist() == [[40] * 7]
    assert mirror_out(pixels, Window(0, 0, 7, 1)).tolist() == pixels.tolist()


def test_a_window_has_sides() -> None:
    assert (Window(1, 2, 4, 8).width, Window(1, 2, 4, 8).height) == (3, 6)
