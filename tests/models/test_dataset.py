from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.dataset import (
    Division,
    LabelledImage,
    SplitMethod,
    divide,
    folder_hashes,
    label_indices,
    labels_of,
    load_squares,
    read_folders,
    require_trainable,
)
from tests.models.conftest import write_plates


def numbered(count: int, label: str = "scratches", source: str = "neu") -> list[LabelledImage]:
    return [LabelledImage(Path(f"/{source}/{label}/{label}_{number}.png"), source, label) for number in range(count)]


def numbers(images: tuple[LabelledImage, ...]) -> list[int]:
    return [int(image.path.stem.rsplit("_", 1)[1]) for image in images]


def test_classes_are_folders_and_files_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("b_10.png", "b_9.png", "b_100.JPG", "notes.txt", ".hidden.png"):
        (tmp_path / "steel" / "b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "steel" / "b" / name).touch()
    (tmp_path / "steel" / "boxes.csv").touch()
    images = read_folders([tmp_path / "steel"])
    assert [image.name for image in images] == ["steel/b/b_9.png", "steel/b/b_10.png", "steel/b/b_100.JPG"]


def test_labels_are_those_of_all_folders_in_alphabetical_order(tmp_path: Path) -> None:
    one = write_plates(tmp_path / "one", {"scratches": 1, "patches": 1})
    two = write_plates(tmp_path / "two", {"ok": 1, "patches": 1})
    images = read_folders([one, two])
    labels = labels_of(images)
    assert labels == ("ok", "patches", "scratches")
    assert label_indices(images, labels).tolist() == [1, 2, 0, 1]


def test_a_folder_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere is no folder; name one that holds a folder of images for each"):
        read_folders([tmp_path / "nowhere"])


def test_a_folder_without_classes_is_named(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    with pytest.raises(ConfigError, match=f"{tmp_path} holds no images in folders of classes"):
        read_folders([tmp_path])


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [write_plates(tmp_path / place / "plates", {"ok": 1}) for place in ("left", "right")]
    with pytest.raises(ConfigError, match="two data folders are called 'plates'"):
        read_folders(folders)


def test_one_class_is_not_enough_to_train() -> None:
    with pytest.raises(ConfigError, match="only one class, 'scratches'"):
        require_trainable(numbered(20))


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(ConfigError, match="class 'ok' of neu has 6 images; it takes at least 7"):
        require_trainable([*numbered(20), *numbered(6, "ok")])


@pytest.mark.parametrize("method", ["blocks", "random"])
@pytest.mark.parametrize("count", [7, 20, 250])
def test_each_class_is_divided_70_15_15_and_every_image_has_one_place(method: SplitMethod, count: int) -> None:
    images = [*numbered(count), *numbered(2 * count, "ok")]
    division = divide(images, method, seed=3)
    together = [*division.train, *division.validation, *division.test]
    assert sorted(image.name for image in together) == sorted(image.name for image in images)
    for label, of in (("scratches", count), ("ok", 2 * count)):
        for part in (division.validation, division.test):
            assert sum(image.label == label for image in part) == round(0.15 * of)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_runs_of_neighbours(seed: int) -> None:
    division = divide(numbered(100), "blocks", seed)
    validation, test = numbers(division.validation), numbers(division.test)
    assert validation == list(range(validation[0], validation[0] + 15))
    assert test == list(range(test[0], test[0] + 15))
    assert abs(test[0] - validation[0]) == 15  # side by side: only three borders tear neighbours apart


def test_blocks_lie_elsewhere_for_another_seed_and_another_class() -> None:
    images = [*numbered(100), *numbered(100, "ok")]
    places = {
        (seed, label): numbers(tuple(image for image in divide(images, "blocks", seed).test if image.label == label))[0]
        for seed in range(4)
        for label in ("ok", "scratches")
    }
    assert len(set(places.values())) > 5


def test_a_split_is_the_same_each_time_and_whatever_else_is_trained_on() -> None:
    alone = divide(numbered(100), "blocks", seed=5)
    joined = divide([*numbered(60, "ok", source="drawn"), *numbered(100)], "blocks", seed=5)

    def of_neu(division: Division) -> list[list[LabelledImage]]:
        parts = (division.train, division.validation, division.test)
        return [[image for image in part if image.source == "neu"] for part in parts]

    assert of_neu(alone) == of_neu(joined)


def test_a_random_split_tears_neighbours_apart() -> None:
    test = numbers(divide(numbered(100), "random", seed=0).test)
    assert test != list(range(test[0], test[0] + 15))


def test_images_are_loaded_as_the_model_sees_them(plates: Path) -> None:
    images = read_folders([plates])[:3]
    squares = load_squares(images, 16, "area")
    assert squares.shape == (3, 16, 16)
    assert squares.dtype == np.uint8
    picture = cv2.imread(str(images[1].path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert np.array_equal(squares[1], cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA))


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_plates(tmp_path / "plates", {"ok": 2})
    broken = folder / "ok" / "ok_1.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(ConfigError, match=rf"{re.escape(str(broken))} cannot be read: .*; mend or remove the file"):
        load_squares(read_folders([folder]), 16, "linear")


def test_a_folders_hash_tells_its_content_and_not_its_place(tmp_path: Path) -> None:
    here = write_plates(tmp_path / "here" / "plates", {"ok": 3})
    there = write_plates(tmp_path / "there" / "plates", {"ok": 3})
    assert folder_hashes(read_folders([here])) == folder_hashes(read_folders([there]))
    before = folder_hashes(read_folders([here]))
    (here / "ok" / "ok_2.png").write_bytes((here / "ok" / "ok_1.png").read_bytes())
    assert folder_hashes(read_folders([here])) != before
