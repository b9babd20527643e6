from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from linecore.inspection import Image
from linecore_models.augmentation import AS_IT_LIES, CHAIN, NO_AUGMENTATION, Augmentation

LIES_ANEW = Augmentation(line=0)
"""How the product lies changes, what the line does to the picture does not."""

EVERYTHING = replace(AS_IT_LIES, line=1 / min(link.chance for link in CHAIN))
"""Something happens at each link."""

STILL = replace(LIES_ANEW, turned=0, flip=False, moved=0)


def plate(seed: int = 0, height: int = 40, width: int = 30) -> Image:
    return np.random.default_rng(seed).integers(60, 200, (height, width), dtype=np.uint8)


def look(augment: Augmentation, image: Image, seed: int) -> Image:
    return augment(image, {}, np.random.default_rng(seed))[0]


def test_an_image_keeps_its_shape_and_type_and_the_original_is_not_touched() -> None:
    original = plate()
    for seed in range(40):
        changed = look(Augmentation(), original, seed)
        assert changed.shape == original.shape
        assert changed.dtype == np.uint8
    assert np.array_equal(original, plate())


def test_the_same_seed_makes_the_same_change() -> None:
    one, same, other = (look(Augmentation(), plate(), seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_no_augmentation_changes_nothing() -> None:
    assert all(np.array_equal(look(NO_AUGMENTATION, plate(), seed), plate()) for seed in range(10))


def test_a_flip_mirrors_in_all_four_ways() -> None:
    seen = {look(replace(STILL, flip=True), plate(), seed).tobytes() for seed in range(50)}
    assert seen == {plate()[::down, ::right].tobytes() for down in (1, -1) for right in (1, -1)}


def test_a_square_is_turned_by_each_right_angle_and_another_picture_only_upside_down() -> None:
    turned = replace(STILL, turned=1.0)
    square = plate(height=30)
    assert {look(turned, square, seed).tobytes() for seed in range(50)} == {
        np.rot90(square, quarters).tobytes() for quarters in (1, 2, 3)
    }
    assert {look(turned, plate(), seed).tobytes() for seed in range(50)} == {
        plate().tobytes(),
        np.rot90(plate(), 2).tobytes(),
    }


def test_masks_go_where_the_picture_goes() -> None:
    """A bright defect on dark steel and its mask, the defect itself, stay one, however the product lies."""
    defect = np.zeros((100, 100), np.uint8)
    defect[20:60, 30:50] = 255
    for seed in range(20):
        image, masks = LIES_ANEW(defect, {4: defect}, np.random.default_rng(seed))
        assert list(masks) == [4]
        assert np.array_equal(image, masks[4])
        assert image.max() == 255


def test_what_the_line_does_leaves_masks_alone() -> None:
    defect = np.zeros((50, 50), np.uint8)
    defect[10:30, 10:30] = 255
    image, masks = EVERYTHING(plate(height=50, width=50), {0: defect}, np.random.default_rng(0))
    assert np.array_equal(masks[0], defect)
    assert not np.array_equal(image, plate(height=50, width=50))


def test_a_shift_moves_at_most_so_far_and_mirrors_what_comes_in() -> None:
    shifted = replace(STILL, moved=1.0, shift=0.1, smaller=1.0, larger=1.0, rotation=0.0)
    spot = np.full((100, 100), 100, np.uint8)
    spot[48:53, 48:53] = 255
    places = []
    for seed in range(30):
        y, x = np.argwhere(look(shifted, spot, seed) > 180).mean(axis=0)
        places.append((x - 50, y - 50))
    moves = np.array(places)
    assert np.abs(moves).max() <= 10.6
    assert np.abs(moves).max(axis=0).min() > 5
    assert all(look(shifted, np.full((50, 50), 77, np.uint8), seed).min() == 77 for seed in range(5))


def test_scale_goes_both_ways_and_at_most_so_far() -> None:
    scaled = replace(STILL, moved=1.0, shift=0.0, smaller=1.5, larger=1.5, rotation=0.0)
    disc = np.zeros((101, 101), np.uint8)
    disc[30:71, 30:71] = 255
    sides = [np.sqrt((look(scaled, disc, seed) > 127).sum()) / 41 for seed in range(60)]
    assert 1 / 1.5 - 0.05 <= min(sides) < 0.8
    assert 1.2 < max(sides) <= 1.5 + 0.05


def test_a_rotation_turns_at_most_so_far() -> None:
    rotated = replace(STILL, moved=1.0, shift=0.0, smaller=1.0, larger=1.0, rotation=10.0)
    bar = np.zeros((201, 201), np.uint8)
    bar[98:103, 20:181] = 255
    degrees = []
    for seed in range(40):
        y, x = np.argwhere(look(rotated, bar, seed) > 127).T
        degrees.append(np.degrees(np.arctan(np.polyfit(x, y, 1)[0])))
    assert np.abs(degrees).max() == pytest.approx(10, abs=1.5)
    assert min(degrees) < -5
    assert max(degrees) > 5


@pytest.mark.parametrize("draw", [draw for link in CHAIN for draw in link.draws])
def test_each_thing_that_a_line_does_shows_and_is_drawn_anew_each_time(draw: object) -> None:
    assert callable(draw)
    looks = {draw(plate(), np.random.default_rng(seed)).tobytes() for seed in range(8)}
    assert len(looks - {plate().tobytes()}) >= 6


def test_things_happen_as_often_as_their_links_say() -> None:
    """The picture stays as it is where no link does anything: as often as chance leaves all four alone."""
    grey = plate(height=12, width=12)
    left_alone = sum(np.array_equal(look(AS_IT_LIES, grey, seed), grey) for seed in range(600))
    expected = 600 * np.prod([1 - link.chance for link in CHAIN])
    assert left_alone == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert not np.array_equal(look(EVERYTHING, grey, 0), grey)


def test_shares_of_a_link_come_to_one() -> None:
    assert all(sum(link.shares) == pytest.approx(1) and 0 < link.chance <= 1 for link in CHAIN)
