from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.box_files import MAX_XML_BYTES, with_boxes
from linecore_models.boxes import Box
from linecore_models.dataset import LabelledImage, read_folders

HEADER = "image,label,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def images(tmp_path: Path) -> Sequence[LabelledImage]:
    """Three images of 30 x 20 pixels, in two classes."""
    for name in ("crazing/crazing_1.png", "crazing/crazing_2.png", "patches/patches_1.png"):
        path = tmp_path / "neu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    return read_folders([tmp_path / "neu"])


def table(folder: Path, *rows: str) -> Path:
    (folder / "boxes.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return folder / "boxes.csv"


def annotation(folder: Path, name: str, *objects: str, filename: str = "", before: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    filled = f"<filename>{filename}</filename>" if filename else ""
    path.write_text(f"{before}<annotation>{filled}{''.join(objects)}</annotation>")
    return folder


def thing(label: str, xmin: object, ymin: object, xmax: object, ymax: object) -> str:
    corners = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object><name>{label}</name><bndbox>{corners}</bndbox></object>"


def test_pixels_that_count_from_one_become_half_open(tmp_path: Path, images: Sequence[LabelledImage]) -> None:
    rows = ("crazing/crazing_1.png,crazing,1,10,30,20", "crazing/crazing_1.png,patches,5,5,5,5")
    boxed = with_boxes(images, table(tmp_path, *rows))
    assert boxed[0].boxes == (Box(0, 9, 30, 20, "crazing"), Box(4, 4, 5, 5, "patches"))
    assert [image.boxes for image in boxed[1:]] == [None, None]  # nobody told
    assert [image.path for image in boxed] == [image.path for image in images]


def test_a_table_that_counts_from_zero_is_cut_at_the_border(tmp_path: Path, images: Sequence[LabelledImage]) -> None:
    boxed = with_boxes(images, table(tmp_path, "crazing_2.png,crazing,0,0,8,9"))
    assert boxed[1].boxes == (Box(0, 0, 8, 9, "crazing"),)


def test_a_table_in_a_data_folder_means_the_images_of_that_folder(tmp_path: Path) -> None:
    for source in ("neu", "drawn"):
        (tmp_path / source / "crazing").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / source / "crazing/1.png"), np.zeros((20, 30), np.uint8))
        table(tmp_path / source, "crazing/1.png,crazing,1,1,2,2")
    images = read_folders([tmp_path / "neu", tmp_path / "drawn"])
    once = with_boxes(images, tmp_path / "drawn/boxes.csv")
    assert [image.boxes for image in once] == [None, (Box(0, 0, 2, 2, "crazing"),)]
    assert all(image.boxes for image in with_boxes(once, tmp_path / "neu/boxes.csv"))
    with pytest.raises(ConfigError, match=r"boxes\.csv, line 2 means 'crazing/1.png', which may be neu/\S+ and drawn/"):
        with_boxes(images, table(tmp_path, "crazing/1.png,crazing,1,1,2,2"))


def test_of_several_files_each_adds_and_a_later_one_has_the_last_word(
    tmp_path: Path, images: Sequence[LabelledImage]
) -> None:
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    boxed = with_boxes(
        images,
        table(first, "crazing_1.png,crazing,1,1,8,9", "crazing_2.png,crazing,1,1,8,9"),
        table(second, "crazing_2.png,crazing,3,3,4,4"),
    )
    assert boxed[0].boxes == (Box(0, 0, 8, 9, "crazing"),)
    assert boxed[1].boxes == (Box(2, 2, 4, 4, "crazing"),)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "crazing/crazing_9.png,crazing,1,1,2,2",
            r"line 2 means 'crazing/crazing_9.png', which is no image of the data",
        ),
        (
            "crazing_1,crasing,1,1,2,2",
            r"line 2: the label is 'crasing', which is no class .*; did you mean 'crazing'\?",
        ),
        (
            "crazing_1,crazing,1,1,31,2",
            r"line 2: xmin to xmax is 1 to 31, which reaches beyond neu/\S+ with its 30x20 ",
        ),
        ("crazing_1,crazing,1,1,2,21", r"line 2: ymin to ymax is 1 to 21, which reaches beyond"),
        ("crazing_1,crazing,-1,1,2,2", r"line 2: xmin to xmax is -1 to 2, which reaches beyond"),
        ("crazing_1,crazing,9,1,8,2", r"line 2: xmin is 9 and xmax 8; a box must hold at least one pixel"),
        ("crazing_1,crazing,1,0,2,0", r"line 2: ymin is 0 and ymax 0; a box must hold at least one pixel"),
        ("crazing_1,crazing,one,1,2,2", r"line 2: xmin is 'one'; it must be a number of pixels"),
        ("crazing_1,crazing,1,nan,2,2", r"line 2: ymin is 'nan'; it must be a number of pixels"),
    ],
)
def test_a_wrong_row_is_one_sentence(tmp_path: Path, images: Sequence[LabelledImage], row: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"boxes\.csv, {sentence}"):
        with_boxes(images, table(tmp_path, row))


def test_annotations_tell_of_several_labels_and_of_none(tmp_path: Path, images: Sequence[LabelledImage]) -> None:
    folder = tmp_path / "xml"
    first = (thing("crazing", 1, 2, 3, 4), thing("patches", 5.5, 6, 7.5, 8))
    annotation(folder, "a.xml", *first, filename="crazing_1.jpg".replace("jpg", "png"))
    annotation(folder, "crazing_2.xml")
    boxed = with_boxes(images, folder)
    assert boxed[0].boxes == (Box(0, 1, 3, 4, "crazing"), Box(4.5, 5, 7.5, 8, "patches"))
    assert boxed[1].boxes == ()
    assert boxed[2].boxes is None


def test_annotations_in_folders_of_classes_mean_the_image_of_their_class(tmp_path: Path) -> None:
    for label in ("crazing", "patches"):
        (tmp_path / "neu" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "neu" / label / "1.png"), np.zeros((20, 30), np.uint8))
    images = read_folders([tmp_path / "neu"])
    annotation(tmp_path / "xml", "patches/1.xml", thing("patches", 1, 1, 2, 2), filename="1.png")
    assert with_boxes(images, tmp_path / "xml")[1].boxes == (Box(0, 0, 2, 2, "patches"),)


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
SECRET = '<!DOCTYPE a [<!ENTITY c SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("before", [BOMB, SECRET, '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">'])
def test_a_document_type_is_refused(tmp_path: Path, images: Sequence[LabelledImage], before: str) -> None:
    folder = annotation(tmp_path / "xml", "crazing_1.xml", before=before)
    with pytest.raises(ConfigError, match=r"crazing_1\.xml is no Pascal VOC annotation: it has a document type"):
        with_boxes(images, folder)


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ("<object/>", r"object 1: <name> is missing"),
        ("<object><name>crazing</name></object>", r"object 1: <xmin> is missing"),
        (thing("crazing", 1, 1, 99, 2), r"object 1: xmin to xmax is 1 to 99, which reaches beyond"),
        ("</oops>", r"is no Pascal VOC annotation: mismatched tag"),
    ],
)
def test_a_wrong_annotation_is_one_sentence(
    tmp_path: Path, images: Sequence[LabelledImage], objects: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=rf"crazing_1\.xml,? {sentence}"):
        with_boxes(images, annotation(tmp_path / "xml", "crazing_1.xml", objects))


def test_an_encoding_that_nobody_knows_is_one_sentence(tmp_path: Path, images: Sequence[LabelledImage]) -> None:
    folder = annotation(tmp_path / "xml", "crazing_1.xml", before='<?xml version="1.0" encoding="martian"?>')
    with pytest.raises(ConfigError, match=r"crazing_1\.xml is no Pascal VOC annotation"):
        with_boxes(images, folder)


def test_a_huge_annotation_is_not_read(tmp_path: Path, images: Sequence[LabelledImage]) -> None:
    folder = annotation(tmp_path / "xml", "crazing_1.xml", before=" " * MAX_XML_BYTES)
    with pytest.raises(ConfigError, match=r"crazing_1\.xml is no Pascal VOC annotation: it has more than \d+ bytes"):
        with_boxes(images, folder)


def test_a_folder_without_annotations_is_named(tmp_path: Path, images: Sequence[LabelledImage]) -> None:
    with pytest.raises(
        ConfigError, match=r"neu holds no \.xml files; name a folder of Pascal VOC annotations, or a CSV"
    ):
        with_boxes(images, tmp_path / "neu")
