from __future__ import annotations

import numpy as np
import pytest

from linecore_models.boxes import Box, Window
from linecore_models.windows import IN_BOX, mirrored_out, part_of, window_around


@pytest.mark.parametrize("seed", range(30))
def test_a_part_of_a_window_lies_inside_it_and_is_no_smaller_than_asked(seed: int) -> None:
    window = Window(10, 20, 110, 90)
    part = part_of(window, 30, np.random.default_rng(seed))
    assert window.x0 <= part.x0 < part.x1 <= window.x1
    assert window.y0 <= part.y0 < part.y1 <= window.y1
    assert part.width >= 30
    assert part.height >= 30


def test_a_window_that_is_smaller_than_the_least_is_taken_as_it_is() -> None:
    assert part_of(Window(0, 0, 20, 20), 30, np.random.default_rng(1)) == Window(0, 0, 20, 20)


def test_every_other_part_is_all_of_the_window() -> None:
    window = Window(0, 0, 100, 100)
    whole = sum(part_of(window, 30, np.random.default_rng(seed)) == window for seed in range(400))
    assert 150 < whole < 250


@pytest.mark.parametrize("seed", range(30))
def test_a_window_around_a_small_box_holds_it(seed: int) -> None:
    window = window_around(Box(150, 30, 180, 45, "x"), 64, 200, 200, np.random.default_rng(seed))
    assert 0 <= window.x0 <= 150 < 180 <= window.x1 <= 200
    assert 0 <= window.y0 <= 30 < 45 <= window.y1 <= 200
    assert window.width >= 64
    assert window.height >= 64


@pytest.mark.parametrize("seed", range(30))
def test_the_middle_of_a_large_box_is_in_every_window(seed: int) -> None:
    window = window_around(Box(0, 0, 200, 180, "x"), 64, 200, 200, np.random.default_rng(seed))
    assert window.x0 <= 100 < window.x1
    assert window.y0 <= 90 < window.y1
    assert window.width >= IN_BOX * 200
    assert window.height >= IN_BOX * 180


def test_what_is_mirrored_out_is_as_large_as_the_picture_and_holds_the_window_and_its_mirror() -> None:
    image = np.arange(20 * 24, dtype=np.uint64).reshape(20, 24).astype(np.uint8)
    window = Window(5, 6, 17, 16)
    put = mirrored_out(image, window, np.random.default_rng(3))
    out, again = put(image), put(image)
    assert out.shape == image.shape
    assert np.array_equal(out, again)  # the mask goes where the picture goes
    inside = image[6:16, 5:17]
    places = [
        (top, left)
        for top in range(11)
        for left in range(13)
        if np.array_equal(out[top : top + 10, left : left + 12], inside)
    ]
    assert len(places) == 1
    ((top, left),) = places
    if top:
        assert np.array_equal(out[top - 1, left : left + 12], inside[1])
