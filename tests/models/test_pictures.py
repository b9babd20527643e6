from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore_models.augmentation import NO_AUGMENTATION
from linecore_models.boxes import Box, Window
from linecore_models.dataset import LabelledImage
from linecore_models.pictures import Batch, Pictures, Teaching
from linecore_models.recipe import Recipe

LABELS = ("crazing", "ok", "scratches")
RECIPE = Recipe(input_size=64, seed=5)


def written(folder: Path, label: str, number: int, level: int) -> Path:
    path = folder / label / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((80, 80), level, np.uint8))
    return path


@pytest.fixture
def teaching(tmp_path: Path) -> Teaching:
    scratch = (Box(0, 0, 40, 80, "scratches"),)  # the left half
    return Teaching(
        [
            LabelledImage(written(tmp_path, "scratches", 1, 200), "neu", "scratches", boxes=scratch),
            LabelledImage(written(tmp_path, "crazing", 1, 50), "neu", "crazing"),  # nobody told
            LabelledImage(written(tmp_path, "ok", 1, 120), "drawn", "ok"),
            LabelledImage(written(tmp_path, "ok", 2, 121), "drawn", "ok"),
        ],
        LABELS,
        ("ok",),
        {"drawn": 0.5},
        {},
    )


def first(teaching: Teaching, indices: list[int], epoch: int = 0) -> Batch:
    return Pictures(teaching, RECIPE, 4, NO_AUGMENTATION).batch(np.array(indices), epoch)


def test_a_picture_comes_with_its_label_its_weight_and_where_the_defect_lies(teaching: Teaching) -> None:
    epochs = [first(teaching, [0, 1, 2], epoch) for epoch in range(6)]
    # One time in five the defect is seen in a window: here it is the whole picture.
    batch = next(one for one in epochs if one.masks[0, :, :, 2].mean() == 0.5)
    assert batch.squares.shape == (3, 64, 64, 1)
    assert batch.squares.dtype == np.uint8
    assert [int(square.mean()) for square in batch.squares] == [200, 50, 120]
    assert batch.truth.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert batch.weights.tolist() == [1, 1, 0.5]
    assert batch.told.tolist() == [1, 0, 1]
    assert batch.masks[0, :, :, 2].tolist() == [[1, 1, 0, 0]] * 4
    assert batch.masks[0, :, :, 0].max() == 0


def test_good_product_has_no_place_and_that_is_told(teaching: Teaching) -> None:
    batch = first(teaching, [1, 2])
    assert batch.masks.max() == 0
    assert batch.told.tolist() == [0, 1]


def test_a_picture_is_the_same_in_the_same_epoch_and_another_in_the_next(teaching: Teaching) -> None:
    pictures = Pictures(teaching, RECIPE, 4)
    one, same, later = (pictures.batch(np.array([0, 2]), epoch).squares for epoch in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, later)


def test_a_window_of_good_steel_is_seen_without_what_lies_around_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "1.png"
    path.parent.mkdir()
    image = np.full((80, 80), 30, np.uint8)
    image[10:60, 10:60] = 180
    cv2.imwrite(str(path), image)
    window = LabelledImage(path, "neu", "ok", window=Window(10, 10, 60, 60), boxes=())
    teaching = Teaching([window], LABELS, ("ok",), {}, {})
    for epoch in range(10):
        assert np.unique(first(teaching, [0], epoch).squares).tolist() == [180]


def test_an_epoch_draws_no_more_than_it_may_of_a_folder_or_a_class_and_others_each_time(teaching: Teaching) -> None:
    images = [teaching.images[0]] * 3 + [teaching.images[2]] * 40 + [teaching.images[1]] * 10
    limited = Teaching(images, LABELS, ("ok",), {}, {"drawn": 7, "neu/crazing": 4})
    orders = [limited.order(0, epoch) for epoch in range(3)]
    for order in orders:
        counts = Counter(f"{images[index].source}/{images[index].label}" for index in order.tolist())
        assert counts == {"drawn/ok": 7, "neu/crazing": 4, "neu/scratches": 3}
    assert len({tuple(sorted(order.tolist())) for order in orders}) == 3
    assert np.array_equal(limited.order(0, 1), orders[1])
