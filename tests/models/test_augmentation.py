from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import Image
from linecore_models.augmentation import NO_AUGMENTATION, Augmentation


def plate(seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(60, 200, (40, 30), dtype=np.uint8)


def test_an_image_keeps_its_shape_and_type_and_the_original_is_not_touched() -> None:
    original = plate()
    changed = Augmentation()(original, np.random.default_rng(0))
    assert changed.shape == original.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(original, plate())
    assert not np.array_equal(changed, original)


def test_the_same_seed_makes_the_same_change() -> None:
    one, same, other = (Augmentation()(plate(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_no_augmentation_changes_nothing() -> None:
    assert np.array_equal(NO_AUGMENTATION(plate(), np.random.default_rng(0)), plate())


def test_a_flip_mirrors_in_all_four_ways() -> None:
    flip = Augmentation(flip=True, shift=0, rotation=0, brightness=0, contrast=0)
    rng = np.random.default_rng(0)
    seen = {flip(plate(), rng).tobytes() for _ in range(50)}
    assert seen == {plate()[::down, ::right].tobytes() for down in (1, -1) for right in (1, -1)}


def test_brightness_moves_every_pixel_alike_and_at_most_so_far() -> None:
    brighter = Augmentation(flip=False, shift=0, rotation=0, brightness=25, contrast=0)
    for seed in range(20):
        change = brighter(plate(), np.random.default_rng(seed)).astype(int) - plate()
        assert np.ptp(change) <= 1  # rounding
        assert abs(change).max() <= 25


def test_contrast_spreads_about_the_mean() -> None:
    spread = Augmentation(flip=False, shift=0, rotation=0, brightness=0, contrast=0.2)
    for seed in range(20):
        changed = spread(plate(), np.random.default_rng(seed))
        assert changed.mean() == pytest.approx(plate().mean(), abs=0.6)
        assert 0.79 <= changed.std() / plate().std() <= 1.21


def test_a_shift_moves_at_most_so_far_and_mirrors_what_comes_in() -> None:
    shift = Augmentation(flip=False, shift=0.1, rotation=0, brightness=0, contrast=0)
    spot = np.full((100, 100), 100, np.uint8)
    spot[48:53, 48:53] = 255
    places = []
    for seed in range(30):
        y, x = np.argwhere(shift(spot, np.random.default_rng(seed)) > 180).mean(axis=0)
        places.append((x - 50, y - 50))
    moves = np.array(places)
    assert np.abs(moves).max() <= 10.6
    assert np.abs(moves).max(axis=0).min() > 5
    assert all(shift(np.full((50, 50), 77, np.uint8), np.random.default_rng(seed)).min() == 77 for seed in range(5))
