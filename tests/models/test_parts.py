from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_models.box_files import with_boxes
from linecore_models.boxes import Window
from linecore_models.dataset import LabelledImage, folder_hashes, read_folders
from linecore_models.manifest import DataCard, Manifest
from linecore_models.parts import division_of, good_windows, may_have_taught, of_part
from tests.bundles import tiny_manifest
from tests.models.judged import write_boxes, write_judged


def manifest_of(images: tuple[LabelledImage, ...], left_out: tuple[str, ...] = ()) -> Manifest:
    """Return the model.json of a model that these images made: the first of each label tests, the second validates."""
    files = {
        "test": tuple(image.name for image in images if image.path.stem == "1"),
        "validation": tuple(image.name for image in images if image.path.stem == "2"),
    }
    manifest = tiny_manifest({})
    card = DataCard(counts={}, left_out=left_out)
    data = manifest.data.model_copy(update={"folders": folder_hashes(images), "card": card})
    return manifest.model_copy(update={"split": manifest.split.model_copy(update={"files": files}), "data": data})


def names(images: tuple[LabelledImage, ...]) -> list[str]:
    return [f"{image.label}/{image.path.stem}" for image in images]


def test_each_part_holds_its_own_images(tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates")])
    manifest = manifest_of(images)
    assert names(of_part("test", images, manifest)) == ["ok/1", "patches/1", "scratches/1"]
    assert names(of_part("validation", images, manifest)) == ["ok/2", "patches/2", "scratches/2"]
    assert names(of_part("train", images, manifest)) == ["patches/3"]
    assert of_part("all", images, manifest) == images
    division = division_of(images, manifest)
    assert names(division.train) == ["patches/3"]
    assert names(division.test) == names(of_part("test", images, manifest))


def test_what_the_training_left_out_taught_nothing(tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates")])
    manifest = manifest_of(images, left_out=("plates/patches/3.png",))
    assert of_part("train", images, manifest) == ()
    assert division_of(images, manifest).train == ()


def test_what_could_not_be_read_taught_nothing(tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates")])
    manifest = manifest_of(images)
    card = DataCard(counts={}, unreadable=("plates/patches/3.png",))
    manifest = manifest.model_copy(update={"data": manifest.data.model_copy(update={"card": card})})
    assert of_part("train", images, manifest) == ()


def test_what_a_finished_model_did_not_hold_out_may_have_taught_it(tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates")])
    manifest = manifest_of(images)
    assert may_have_taught(images, manifest) == {"plates/patches/3.png"}
    window = replace(next(image for image in images if image.name == "plates/patches/3.png"), label="ok")
    assert may_have_taught([replace(window, window=Window(0, 0, 9, 9))], manifest) == {"plates/patches/3.png"}
    assert may_have_taught(images, manifest_of(images, left_out=("plates/patches/3.png",))) == set()
    assert may_have_taught([replace(image, source="others") for image in images], manifest) == set()


def test_what_taught_the_model_before_a_finished_one_may_have_taught_it_too(tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates")])
    manifest = manifest_of(images)
    card = DataCard(counts={}, seen=("plates/ok/1.png",))
    manifest = manifest.model_copy(update={"data": manifest.data.model_copy(update={"card": card})})
    assert may_have_taught(images, manifest) == {"plates/ok/1.png", "plates/patches/3.png"}


def test_images_that_the_model_was_not_made_from_can_only_judge_it(tmp_path: Path) -> None:
    manifest = manifest_of(read_folders([write_judged(tmp_path / "plates")]))
    changed = shutil.copytree(tmp_path / "plates", tmp_path / "new" / "plates")
    (changed / "ok" / "1.png").unlink()
    division = division_of(read_folders([changed]), manifest)
    assert division.train == ()
    assert "patches/3" in names(division.test)


def test_a_part_without_images_is_told(tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates")])
    with pytest.raises(ConfigError, match="the data holds none of the 0 test images of tiny 1.0.0"):
        of_part("test", images, tiny_manifest({}))


def test_good_steel_is_looked_for_only_where_there_is_no_class_of_it(tmp_path: Path) -> None:
    boxes = write_boxes(tmp_path / "boxes.csv")
    without = with_boxes(read_folders([write_judged(tmp_path / "defects", good=False)]), boxes)
    windows = good_windows(without, tiny_manifest({}))
    assert windows
    assert {window.label for window in windows} == {"ok"}
    assert good_windows(with_boxes(read_folders([write_judged(tmp_path / "plates")]), boxes), tiny_manifest({})) == ()
    knows_defects_only = tiny_manifest({}).model_copy(update={"pass_labels": ()})
    assert good_windows(without, knows_defects_only) == ()
