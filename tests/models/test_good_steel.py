from __future__ import annotations

from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore_models.boxes import Box, Mask, Window, label_mask
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.division import Division
from linecore_models.good_steel import MARGIN, largest_empty, mine, with_good_steel


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    (tmp_path / "neu/scratches").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "neu/scratches/1.png"), noise)
    return tmp_path / "neu/scratches/1.png"


def area_by_brute_force(mask: Mask, least: int) -> int:
    """Try every window of an image."""
    height, width = mask.shape
    areas = [
        (x1 - x0) * (y1 - y0)
        for x0, x1 in product(range(width), range(1, width + 1))
        for y0, y1 in product(range(height), range(1, height + 1))
        if x1 - x0 >= least and y1 - y0 >= least and not mask[y0:y1, x0:x1].any()
    ]
    return max(areas, default=0)


@pytest.mark.parametrize("seed", range(30))
def test_the_largest_empty_window_is_the_largest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width, least = 9, 12, int(rng.integers(1, 5))
    corners = [(rng.integers(-1, width - 1), rng.integers(-1, height - 1)) for _ in range(rng.integers(0, 5))]
    taken = [Window(int(x), int(y), int(x + rng.integers(1, 6)), int(y + rng.integers(1, 6))) for x, y in corners]
    mask = label_mask([Box(one.x0, one.y0, one.x1, one.y1, "a") for one in taken], "a", height, width)
    found = largest_empty(taken, height, width, least)
    assert (found.width * found.height if found else 0) == area_by_brute_force(mask, least)
    if found:
        assert not mask[found.y0 : found.y1, found.x0 : found.x1].any()
        assert min(found.width, found.height) >= least


def test_of_windows_of_one_size_the_leftmost_is_taken() -> None:
    assert largest_empty([Window(4, 0, 6, 10)], 10, 10, 2) == Window(0, 0, 4, 10)


def test_windows_keep_clear_of_boxes_of_any_label_and_of_each_other(plate: Path) -> None:
    boxes = (Box(80, 0, 100, 120, "scratches"), Box(150.5, 150, 200, 200, "patches"))
    image = LabelledImage(plate, "neu", "scratches", boxes=boxes)
    windows = mine(image, "ok", 0.32)
    assert [(one.label, one.boxes, one.source, one.path) for one in windows] == [("ok", (), "neu", plate)] * len(
        windows
    )
    assert MARGIN == 3
    assert [one.window for one in windows] == [Window(0, 0, 77, 200), Window(103, 0, 200, 147)]  # the largest first
    assert (load_image(windows[0])[:, :77] == load_image(image)[:, :77]).all()
    assert (load_image(windows[0])[:, 77] == load_image(image)[:, 75]).all()


@pytest.mark.parametrize("boxes", [None, ()])
def test_a_defect_that_nobody_boxed_gives_no_good_steel(plate: Path, boxes: tuple[Box, ...] | None) -> None:
    assert mine(LabelledImage(plate, "neu", "scratches", boxes=boxes), "ok", 0.32) == ()


def test_an_image_that_is_full_of_boxes_gives_no_good_steel(plate: Path) -> None:
    image = LabelledImage(plate, "neu", "scratches", boxes=(Box(60, 60, 140, 140, "scratches"),))
    assert mine(image, "ok", 0.32) == ()


def test_a_window_belongs_to_the_part_of_its_image_and_those_that_judge_are_larger(plate: Path) -> None:
    image = LabelledImage(plate, "neu", "scratches", boxes=(Box(70, 0, 200, 200, "scratches"),))
    wide = LabelledImage(plate, "neu", "scratches", boxes=(Box(91, 0, 200, 200, "scratches"),))
    division = with_good_steel(Division((image,), (image, wide), (wide,)), "ok")
    assert [one.window for one in division.train] == [None, Window(0, 0, 67, 200)]
    assert [one.window for one in division.validation] == [None, None, Window(0, 0, 88, 200)]
    assert [one.window for one in division.test] == [None, Window(0, 0, 88, 200)]


def test_images_of_a_spread_defect_teach_and_choose_no_good_steel_and_are_judged_all_the_same(plate: Path) -> None:
    image = LabelledImage(plate, "neu", "crazing", boxes=(Box(91, 0, 200, 200, "crazing"),))
    division = with_good_steel(Division((image,), (image,), (image,)), "ok", spread=("crazing",))
    assert [one.window for one in (*division.train, *division.validation)] == [None, None]
    assert [one.window for one in division.test] == [None, Window(0, 0, 88, 200)]


def test_a_data_folder_with_good_product_is_not_searched(plate: Path) -> None:
    image = LabelledImage(plate, "neu", "scratches", boxes=(Box(91, 0, 200, 200, "scratches"),))
    good = LabelledImage(plate, "neu", "ok")
    drawn = LabelledImage(plate, "drawn", "ok")
    assert with_good_steel(Division((image,), (good,), ()), "ok") == Division((image,), (good,), ())
    assert len(with_good_steel(Division((image,), (drawn,), ()), "ok").train) == 2
