from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.other_surfaces import name_of, read_unknown


def write(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 30), level, np.uint8))


def test_images_of_all_folders_and_those_below_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("paper/10.png", "paper/9.png", "belt/empty/1.png"):
        write(tmp_path / name, 90)
    (tmp_path / "paper" / "notes.txt").write_text("no image")
    (tmp_path / "paper" / "._9.png").write_bytes(b"what a Mac leaves")
    write(tmp_path / "paper" / ".thumbs" / "9.png", 90)
    images = read_unknown([tmp_path / "paper", tmp_path / "belt"], [])
    assert [(image.source, image.path.name) for image in images] == [
        ("paper", "9.png"),
        ("paper", "10.png"),
        ("belt", "1.png"),
    ]
    assert read_unknown([], [tmp_path]) == ()


def test_what_cannot_teach_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--unknown is '.*absent', which is no folder; name one that holds images"):
        read_unknown([tmp_path / "absent"], [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="--unknown is '.*empty', which holds no images"):
        read_unknown([tmp_path / "empty"], [])
    write(tmp_path / "paper" / "1.png", 90)
    (tmp_path / "paper" / "2.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"2\.png cannot be read: .*; mend or remove the file"):
        read_unknown([tmp_path / "paper"], [])


def test_the_product_is_no_other_surface(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "ok" / "1.png", 90)
    write(tmp_path / "photos" / "ok" / "2.png", 91)
    photos = [tmp_path / "photos"]
    for folder in (tmp_path, tmp_path / "photos", tmp_path / "photos" / "ok"):
        with pytest.raises(ConfigError, match=f"--unknown is '{folder}', which is or holds images of the product"):
            read_unknown([folder], photos)
    write(tmp_path / "belt" / "7.png", 30)
    assert len(read_unknown([tmp_path / "belt"], photos)) == 1
    shutil.copy(tmp_path / "photos" / "ok" / "2.png", tmp_path / "belt" / "8.png")
    with pytest.raises(ConfigError, match=r"--unknown holds .*8\.png, which is an image of the product: .*2\.png"):
        read_unknown([tmp_path / "belt"], photos)


def test_a_copy_is_known_by_its_pixels_whatever_its_format(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "ok" / "1.png", 90)
    write(tmp_path / "belt" / "other.bmp", 90)
    with pytest.raises(ConfigError, match=r"--unknown holds .*other\.bmp, which is an image of the product: .*1\.png"):
        read_unknown([tmp_path / "belt"], [tmp_path / "photos"])
    (tmp_path / "photos" / "ok" / "1.png").write_bytes(b"broken")  # left out of the product, and told elsewhere
    assert len(read_unknown([tmp_path / "belt"], [tmp_path / "photos"])) == 1


def test_folders_below_are_looked_into_also_through_links_and_once(tmp_path: Path) -> None:
    write(tmp_path / "far" / "1.png", 90)
    write(tmp_path / "belt" / "wet" / "2.png", 80)
    (tmp_path / "belt" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "belt" / "wet" / "round").symlink_to(tmp_path / "belt")
    images = read_unknown([tmp_path / "belt"], [])
    assert [name_of(image) for image in images] == ["belt/linked/1.png", "belt/wet/2.png"]


def test_folders_do_not_lie_in_each_other(tmp_path: Path) -> None:
    write(tmp_path / "other" / "paper" / "1.png", 90)
    with pytest.raises(ConfigError, match="which holds another of them or lies in one; name one of the two"):
        read_unknown([tmp_path / "other", tmp_path / "other" / "paper"], [])


def test_folders_must_differ_in_name(tmp_path: Path) -> None:
    for name in ("a/paper/1.png", "b/paper/1.png"):
        write(tmp_path / name, 90)
    with pytest.raises(ConfigError, match="two folders of --unknown are called 'paper'; rename one"):
        read_unknown([tmp_path / "a" / "paper", tmp_path / "b" / "paper"], [])
