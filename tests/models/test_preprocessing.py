from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ImageError
from linecore.inspection import Image, read_only
from linecore_models.manifest import Resize
from linecore_models.preprocessing import preprocess, read_image


@pytest.fixture
def steel() -> Image:
    return read_only(np.random.default_rng(0).integers(0, 256, (200, 160)))


@pytest.mark.parametrize("resize", ["linear", "area"])
@pytest.mark.parametrize("size", [64, 224])
def test_the_model_sees_a_grey_square_in_0_to_255(resize: Resize, size: int) -> None:
    halves = np.zeros((200, 160), np.uint8)
    halves[:, 80:] = 255
    seen = preprocess(halves, size, resize)
    assert seen.shape == (size, size, 1)
    assert seen.dtype == np.float32
    assert (seen.min(), seen.max()) == (0, 255)
    assert seen.mean() == pytest.approx(127.5, abs=1)


def test_a_grey_frame_in_three_channels_is_the_same_frame(steel: Image) -> None:
    bgr = read_only(np.repeat(steel[..., np.newaxis], 3, axis=-1))
    np.testing.assert_array_equal(preprocess(bgr, 96, "area"), preprocess(steel, 96, "area"))


def test_colours_weigh_as_the_eye_sees_them() -> None:
    blue, green = np.zeros((2, 8, 8, 3), np.uint8)
    blue[..., 0] = green[..., 1] = 255
    assert preprocess(blue, 8, "linear").max() == 29
    assert preprocess(green, 8, "linear").max() == 150


def test_area_averages_where_linear_samples() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::4] = 255
    assert np.ptp(preprocess(stripes, 16, "area")) == 0
    assert preprocess(stripes, 16, "area").mean() == pytest.approx(255 / 4, abs=1)
    assert preprocess(stripes, 16, "linear").mean() == 0


def test_the_frame_itself_is_left_alone(steel: Image) -> None:
    seen = preprocess(steel, 200, "linear")
    seen[:] = 0
    assert steel.any()


def test_an_image_file_is_read_as_the_line_would_read_it(steel: Image, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "steel.png"), steel)
    np.testing.assert_array_equal(read_image(tmp_path / "steel.png"), steel)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ImageError):
        read_image(tmp_path / "notes.txt")
