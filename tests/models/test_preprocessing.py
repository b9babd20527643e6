from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ImageError
from linecore.inspection import Image, read_only
from linecore_models.conditions import contrast
from linecore_models.preprocessing import Preprocessing, Resize, read_image


@pytest.fixture
def steel() -> Image:
    return read_only(np.random.default_rng(0).integers(0, 256, (200, 160)))


@pytest.mark.parametrize("resize", ["linear", "area"])
@pytest.mark.parametrize("size", [64, 224])
def test_the_model_sees_a_grey_square_in_0_to_255(resize: Resize, size: int) -> None:
    halves = np.zeros((200, 160), np.uint8)
    halves[:, 80:] = 255
    seen = Preprocessing(size, resize)(halves)
    assert seen.shape == (size, size, 1)
    assert seen.dtype == np.float32
    assert (seen.min(), seen.max()) == (0, 255)
    assert seen.mean() == pytest.approx(127.5, abs=1)


def test_a_grey_frame_in_three_channels_is_the_same_frame(steel: Image) -> None:
    bgr = read_only(np.repeat(steel[..., np.newaxis], 3, axis=-1))
    np.testing.assert_array_equal(Preprocessing(96, "area")(bgr), Preprocessing(96, "area")(steel))


def test_colours_weigh_as_the_eye_sees_them() -> None:
    blue, green = np.zeros((2, 8, 8, 3), np.uint8)
    blue[..., 0] = green[..., 1] = 255
    assert Preprocessing(8, "linear")(blue).max() == 29
    assert Preprocessing(8, "linear")(green).max() == 150


def test_area_averages_where_linear_samples() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::4] = 255
    assert np.ptp(Preprocessing(16, "area")(stripes)) == 0
    assert Preprocessing(16, "area")(stripes).mean() == pytest.approx(255 / 4, abs=1)
    assert Preprocessing(16, "linear")(stripes).mean() == 0


EVEN, HALF = (Preprocessing(100, "area", even_contrast=evenness) for evenness in (1.0, 0.5))


def test_even_contrast_gives_every_square_one_deviation_and_leaves_its_mean() -> None:
    for deviation in (8, 12, 40):
        texture = np.random.default_rng(1).normal(120, deviation, (100, 100)).clip(0, 255).astype(np.uint8)
        seen = EVEN(texture)
        assert seen.shape == (100, 100, 1)
        assert seen.dtype == np.float32
        assert seen.mean() == pytest.approx(texture.mean(), abs=0.5)
        assert seen.std() == pytest.approx(22, abs=0.5)
        np.testing.assert_array_equal(seen, np.rint(seen))


def test_by_hand_levels_are_spread_about_their_mean() -> None:
    halves = np.full((100, 100), 100, np.uint8)
    halves[:, 50:] = 111  # mean 105.5, deviation 5.5: a fourth of 22
    assert set(np.unique(EVEN(halves)).tolist()) == {84, 128}  # 22 to either side, rounded to even
    assert set(np.unique(HALF(halves)).tolist()) == {94, 116}  # 11 to either side, rounded to even


def test_half_even_contrast_takes_the_root_of_what_a_line_takes_away() -> None:
    texture = np.random.default_rng(2).normal(120, 20, (200, 200)).clip(40, 200).astype(np.uint8)
    hazy = contrast(texture, 0.4)
    assert Preprocessing(100)(hazy).std() / Preprocessing(100)(texture).std() == pytest.approx(0.4, abs=0.01)
    assert HALF(hazy).std() / HALF(texture).std() == pytest.approx(0.4**0.5, abs=0.01)
    assert EVEN(hazy).std() / EVEN(texture).std() == pytest.approx(1, abs=0.01)


def test_the_levels_are_spread_before_they_are_rounded() -> None:
    texture = np.random.default_rng(3).normal(120, 4, (200, 200)).astype(np.uint8)
    rounded_first = Preprocessing(100)(texture)  # the mean of four pixels, to whole levels
    assert len(np.unique(EVEN(texture))) > 3 * len(np.unique(rounded_first))


def test_a_large_frame_is_seen_like_a_small_one() -> None:
    rng = np.random.default_rng(4)
    coarse = rng.normal(120, 30, (100, 100)).clip(0, 255)
    large = (np.kron(coarse, np.ones((20, 20))) + rng.normal(0, 2, (2000, 2000))).clip(0, 255).astype(np.uint8)
    small = coarse.astype(np.uint8)
    assert np.abs(HALF(large) - HALF(small)).max() <= 2


def test_what_hardly_varies_is_not_blown_up() -> None:
    flat = np.full((100, 100), 77, np.uint8)
    assert set(np.unique(EVEN(flat)).tolist()) == {77}
    flat[0, 0] = 78  # a deviation of 0.01; as if it were 2, a gain of 11
    assert EVEN(flat).max() == 88


def test_levels_end_at_black_and_white() -> None:
    bright = np.full((100, 100), 250, np.uint8)
    bright[::2] = 240  # deviation 5: levels up to 245 + 22
    assert set(np.unique(EVEN(bright)).tolist()) == {223, 255}


def test_squares_are_the_same_in_uint8(steel: Image) -> None:
    for preprocessing in (Preprocessing(64), Preprocessing(64, "linear", even_contrast=0.5)):
        squares = preprocessing.squares([steel, steel[:50]])
        assert squares.dtype == np.uint8
        assert squares.shape == (2, 64, 64)
        np.testing.assert_array_equal(squares[1], preprocessing(steel[:50])[..., 0])
        assert preprocessing.squares([]).shape == (0, 64, 64)


def test_the_frame_itself_is_left_alone(steel: Image) -> None:
    seen = Preprocessing(200, "linear")(steel)
    seen[:] = 0
    assert steel.any()


def test_an_image_file_is_read_as_the_line_would_read_it(steel: Image, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "steel.png"), steel)
    np.testing.assert_array_equal(read_image(tmp_path / "steel.png"), steel)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ImageError):
        read_image(tmp_path / "notes.txt")
