from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import Image
from linecore_models.boxes import Window
from linecore_models.dataset import (
    LabelledImage,
    folder_hashes,
    label_indices,
    labels_of,
    load_image,
    load_squares,
    read_folders,
    require_trainable,
)
from linecore_models.preprocessing import Preprocessing
from tests.models.conftest import write_plates


def numbered(count: int, label: str = "scratches", source: str = "neu") -> list[LabelledImage]:
    return [LabelledImage(Path(f"/{source}/{label}/{label}_{number}.png"), source, label) for number in range(count)]


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


def test_images_are_loaded_as_the_model_sees_them(plates: Path) -> None:
    images = read_folders([plates])[:3]
    squares = load_squares(images, Preprocessing(16))
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
        load_squares(read_folders([folder]), Preprocessing(16, "linear"))


def test_a_folders_hash_tells_its_content_and_not_its_place(tmp_path: Path) -> None:
    here = write_plates(tmp_path / "here" / "plates", {"ok": 3})
    there = write_plates(tmp_path / "there" / "plates", {"ok": 3})
    assert folder_hashes(read_folders([here])) == folder_hashes(read_folders([there]))
    before = folder_hashes(read_folders([here]))
    (here / "ok" / "ok_2.png").write_bytes((here / "ok" / "ok_1.png").read_bytes())
    assert folder_hashes(read_folders([here])) != before


def test_a_window_hashes_as_its_file_does(tmp_path: Path) -> None:
    images = read_folders([write_plates(tmp_path / "plates", {"patches": 2})])
    window = replace(images[0], label="ok", window=Window(0, 0, 9, 9), boxes=())
    assert folder_hashes([*images, window]) == folder_hashes(images)


def test_a_window_is_named_after_its_file_and_its_place() -> None:
    window = LabelledImage(Path("/neu/crazing/crazing_12.jpg"), "neu", "ok", Window(0, 10, 64, 88), ())
    assert window.name == "neu/ok/crazing_12.jpg#0,10,64,88"


def written(folder: Path, pixels: Image) -> LabelledImage:
    (folder / "neu/scratches").mkdir(parents=True)
    cv2.imwrite(str(folder / "neu/scratches/1.png"), pixels)
    return LabelledImage(folder / "neu/scratches/1.png", "neu", "scratches")


def test_a_window_stays_in_its_place_and_is_mirrored_out_without_a_seam(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.uint8)[np.newaxis] + 10 * np.arange(4, dtype=np.uint8)[:, np.newaxis]
    image = replace(written(tmp_path, pixels), window=Window(1, 2, 4, 4))
    # Columns 1 2 3 -> 2 1 2 3 2 1; rows 2 3 -> 2 3 2 3.
    assert load_image(image).tolist() == [
        [22, 21, 22, 23, 22, 21],
        [32, 31, 32, 33, 32, 31],
        [22, 21, 22, 23, 22, 21],
        [32, 31, 32, 33, 32, 31],
    ]


def test_colour_is_loaded_as_grey(tmp_path: Path) -> None:
    colour = np.zeros((2, 2, 3), np.uint8)
    colour[..., 1] = 100
    assert load_image(written(tmp_path, colour)).tolist() == [[59, 59], [59, 59]]  # 0.587 of green


@pytest.mark.parametrize("window", [Window(0, 0, 7, 4), Window(-1, 0, 3, 4), Window(2, 1, 2, 4)])
def test_a_window_beyond_its_image_is_refused(tmp_path: Path, window: Window) -> None:
    image = replace(written(tmp_path, np.zeros((4, 6), np.uint8)), window=window)
    with pytest.raises(ConfigError, match=r"1\.png#.* the window reaches beyond the image, which has 6x4 pixels"):
        load_image(image)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"1\.png cannot be read: .*; mend or remove the file"):
        load_image(LabelledImage(tmp_path / "1.png", "neu", "ok"))
