from __future__ import annotations

import re
from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_models.dataset import LabelledImage
from linecore_models.image_names import ImageNames

IMAGES = [
    LabelledImage(Path("/data/neu/crazing/1.jpg"), "neu", "crazing"),
    LabelledImage(Path("/data/neu/patches/1.jpg"), "neu", "patches"),
    LabelledImage(Path("/data/neu/patches/edge.jpg"), "neu", "patches"),
    LabelledImage(Path("/data/drawn/patches/1.jpg"), "drawn", "patches"),
]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("crazing/1.jpg", 0),
        ("crazing/1", 0),
        ("neu/patches/1.jpg", 1),
        ("drawn/patches/1", 3),
        ("edge.jpg", 2),
        ("edge", 2),
        (" C:\\photos\\neu\\patches\\1.jpg ", 1),
        ("./crazing/1.jpg", 0),
    ],
)
def test_an_image_is_found_by_as_much_of_its_path_as_it_takes(name: str, index: int) -> None:
    assert ImageNames(IMAGES).find(name, "boxes.csv, line 2") == IMAGES[index]


def test_a_name_of_several_images_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"line 2 means 'patches/1.jpg', which may be neu/\S+ and drawn/\S+; write it"
    ):
        ImageNames(IMAGES).find("patches/1.jpg", "line 2")


def test_an_unknown_image_is_named_with_the_nearest_one() -> None:
    wanted = "line 2 means 'patches/egde.jpg', which is no image of the data; did you mean 'patches/edge.jpg'?"
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        ImageNames(IMAGES).find("patches/egde.jpg", "line 2")


def test_a_file_of_another_folder_is_another_image() -> None:
    with pytest.raises(ConfigError, match=r"line 2 means 'scratches/edge.jpg', which is no image of the data"):
        ImageNames(IMAGES).find("scratches/edge.jpg", "line 2")


def test_a_name_in_the_tables_is_a_name() -> None:
    names = ImageNames(IMAGES)
    assert "crazing/1.jpg" in names
    assert "crazing/2.jpg" not in names
