from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import FloatArray, Region
from linecore_models.boxes import Box, Mask
from linecore_models.dataset import LabelledImage
from linecore_models.faithfulness import (
    Pointed,
    energy_inside,
    iou,
    measure_faithfulness,
    merged,
    point,
    points,
)

LABELS = ("ok", "patches", "scratches")
LOW = 1e-6


def filled(shape: tuple[int, int], *parts: tuple[int, int, int, int]) -> Mask:
    """Return a mask that is true in these boxes (x0, y0, x1, y1)."""
    mask = np.zeros(shape, np.bool_)
    for x0, y0, x1, y1 in parts:
        mask[y0:y1, x0:x1] = True
    return mask


def spotted(shape: tuple[int, int], x: int, y: int) -> FloatArray:
    heat = np.full(shape, 0.1, np.float32)
    heat[y, x] = 1
    return heat


@pytest.mark.parametrize(("x", "hit"), [(9, False), (10, True), (19, True), (20, False)])
def test_the_pointing_game_is_won_inside_a_box_to_the_pixel(x: int, hit: bool) -> None:
    assert points(spotted((30, 40), x, 12), filled((30, 40), (10, 10, 20, 15))) is hit


@pytest.mark.parametrize(("x", "tolerance", "hit"), [(22, 2, False), (22, 3, True), (19, 3, True), (30, 3, False)])
def test_a_tolerance_lets_the_hottest_pixel_lie_beside_the_box(x: int, tolerance: int, hit: bool) -> None:
    assert points(spotted((30, 40), x, 12), filled((30, 40), (10, 10, 20, 15)), tolerance) is hit


def test_a_map_without_heat_points_nowhere() -> None:
    everywhere = np.ones((5, 5), np.bool_)
    assert not points(np.zeros((5, 5), np.float32), everywhere)
    assert energy_inside(np.zeros((5, 5), np.float32), everywhere) == 0


def test_energy_is_the_share_of_the_heat_inside() -> None:
    heat = np.array([[1.0, 0.5], [0.25, 0.25]], np.float32)
    assert energy_inside(heat, np.array([[True, False], [True, False]])) == pytest.approx(1.25 / 2)


def test_even_heat_gets_what_the_boxes_cover() -> None:
    truth = filled((10, 10), (0, 0, 5, 6))
    found = point(np.ones((10, 10), np.float32), truth, threshold=0.5)
    assert found == Pointed(hit=1.0, energy=0.3, mask_iou=0.3, box_iou=0.3, chance=0.3)


def test_iou_is_intersection_over_union() -> None:
    one, other = filled((10, 10), (0, 0, 4, 4)), filled((10, 10), (2, 2, 6, 6))
    assert iou(one, other) == pytest.approx(4 / 28)
    assert iou(one, one) == 1
    assert iou(one, filled((10, 10), (5, 5, 9, 9))) == 0
    assert iou(filled((10, 10)), filled((10, 10))) == 0


def test_boxes_of_regions_are_merged() -> None:
    regions = (Region((0, 0, 4, 2), 5, 1.0), Region((2, 0, 6, 2), 5, 0.5))
    np.testing.assert_array_equal(merged(regions, (3, 8)), filled((3, 8), (0, 0, 6, 2)))


def test_a_slanting_defect_fills_its_box_worse_than_the_region_s_box_does() -> None:
    found = point(np.eye(20, dtype=np.float32), np.ones((20, 20), np.bool_), threshold=0.5)
    assert (found.mask_iou, found.box_iou) == (20 / 400, 1.0)


@pytest.fixture(scope="module")
def steel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 40 x 20 pixels."""
    path = tmp_path_factory.mktemp("steel") / "1.png"
    cv2.imwrite(str(path), np.full((20, 40), 128, np.uint8))
    return path


def image(path: Path, label: str, *boxes: Box) -> LabelledImage:
    return LabelledImage(path, "steel", label, boxes=boxes)


LEFT = Box(0, 0, 20, 20, "scratches")
RIGHT = Box(20, 0, 40, 20, "patches")


def maps(*of_image: tuple[int, int]) -> FloatArray:
    """Return class maps of 1 x 2 cells: for each image, the label and the cell (0 left, 1 right) that is hot."""
    found = np.full((len(of_image), 1, 2, len(LABELS)), -1, np.float32)
    for number, (label, cell) in enumerate(of_image):
        found[number, 0, cell, label] = 1
    return found


def test_the_answered_label_is_measured_against_its_own_boxes(steel: Path) -> None:
    # Answers: scratches with the left half hot, scratches with the right one, and patches where scratches are.
    images = [image(steel, "scratches", LEFT, RIGHT), image(steel, "scratches", LEFT), image(steel, "scratches", LEFT)]
    scores = np.eye(3, dtype=np.float32)[[2, 2, 1]]
    found = measure_faithfulness(images, scores, maps((2, 0), (2, 1), (1, 0)), LABELS, threshold=LOW)
    assert (found.explained, found.images, found.hits) == ("answered", {"scratches": 3}, 1)
    assert found.mean == found.labels["scratches"]
    assert found.mean.hit == pytest.approx(1 / 3)
    assert found.mean.chance == pytest.approx((0.5 + 0.5 + 0) / 3)
    # Between the cells' middles, at 9.5 and 29.5, the map falls from 1 to -1: it is above 0 up to x = 19.
    assert found.mean.mask_iou == pytest.approx(1 / 3)
    assert found.mean.box_iou == found.mean.mask_iou


def test_the_true_label_s_map_is_measured_where_it_is_asked_for(steel: Path) -> None:
    images = [image(steel, "scratches", LEFT)]
    scores = np.eye(3, dtype=np.float32)[[1]]
    found = measure_faithfulness(images, scores, maps((2, 0)), LABELS, threshold=LOW, explained="true")
    assert (found.explained, found.hits, found.mean.hit) == ("true", 1, 1.0)


def test_each_label_counts_once_in_the_mean_however_many_images_it_has(steel: Path) -> None:
    images = [*(image(steel, "scratches", LEFT) for _ in range(3)), image(steel, "patches", RIGHT)]
    scores = np.eye(3, dtype=np.float32)[[2, 2, 2, 1]]
    found = measure_faithfulness(images, scores, maps((2, 0), (2, 0), (2, 0), (1, 0)), LABELS, threshold=LOW)
    assert found.images == {"patches": 1, "scratches": 3}
    assert (found.labels["scratches"].hit, found.labels["patches"].hit, found.mean.hit) == (1, 0, 0.5)
    assert found.hits == 3


def test_images_without_boxes_are_left_out(steel: Path) -> None:
    images = [image(steel, "ok"), LabelledImage(steel, "steel", "scratches"), image(steel, "scratches", LEFT)]
    scores = np.eye(3, dtype=np.float32)[[0, 2, 2]]
    found = measure_faithfulness(images, scores, maps((0, 0), (2, 1), (2, 0)), LABELS, threshold=LOW)
    assert (found.images, found.mean.hit) == ({"scratches": 1}, 1.0)


def test_images_of_which_none_has_a_box_are_one_sentence(steel: Path) -> None:
    with pytest.raises(ConfigError, match="none of the images has a box; name a file of boxes"):
        measure_faithfulness([image(steel, "ok")], np.eye(3, dtype=np.float32)[[0]], maps((0, 0)), LABELS)


def test_regions_end_at_the_threshold(steel: Path) -> None:
    images = [image(steel, "scratches", LEFT)]
    scores = np.eye(3, dtype=np.float32)[[2]]
    found = [
        measure_faithfulness(images, scores, maps((2, 0)), LABELS, threshold=threshold).mean.mask_iou
        for threshold in (LOW, 0.5)
    ]
    # Half of the peak is reached up to x = 14.
    assert found == pytest.approx([1, 15 / 20])


def test_the_tolerance_is_passed_on(steel: Path) -> None:
    narrow = image(steel, "scratches", Box(5, 0, 10, 20, "scratches"))
    scores = np.eye(3, dtype=np.float32)[[2]]
    strict = measure_faithfulness([narrow], scores, maps((2, 0)), LABELS, threshold=LOW)
    lenient = measure_faithfulness([narrow], scores, maps((2, 0)), LABELS, threshold=LOW, tolerance=5)
    assert (strict.hits, lenient.hits, lenient.tolerance) == (0, 1, 5)
