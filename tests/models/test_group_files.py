from __future__ import annotations

from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_models.group_files import read_split
from linecore_models.groups import Groups
from tests.models.test_dataset import numbered

IMAGES = [*numbered(2), *numbered(1, source="drawn")]


def table(folder: Path, *rows: str) -> Path:
    (folder / "coils.csv").write_text("\n".join(("image,coil", *rows)) + "\n")
    return folder / "coils.csv"


def test_methods_are_themselves() -> None:
    assert read_split("blocks", IMAGES) == "blocks"
    assert read_split("random", IMAGES) == "random"


def test_a_table_and_its_column_tell_groups(tmp_path: Path) -> None:
    path = table(tmp_path, "neu/scratches/scratches_0.png,7", "scratches_1,8")
    groups = read_split(f"{path}:coil", IMAGES)
    assert isinstance(groups, Groups)
    assert groups.name == "coils.csv:coil"
    assert groups.of == {"neu/scratches/scratches_0.png": "7", "neu/scratches/scratches_1.png": "8"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "block",
            r"--split is 'block'; it takes blocks, random, or a table .*FILE.csv:COLUMN; did you mean 'blocks'\?",
        ),
        ("coils.csv", r"--split is 'coils.csv'; it takes blocks, random, or a table and its column: FILE.csv:COLUMN"),
        ("coils.csv:", r"--split is 'coils.csv:'; it takes"),
        (":coil", r"--split is ':coil'; it takes"),
        ("nowhere.csv:coil", r"nowhere.csv cannot be read: No such file"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_split(text, IMAGES)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (("scratches_1,7",), r"coils.csv does not tell the coil of neu/scratches/scratches_0.png"),
        (("scratches_1,",), r"coils.csv, line 2: coil is empty; each image needs a group"),
        (("scratches_1,7", "scratches_1,8"), r"coils.csv, line 3: neu/\S+ is in '8' and in '7'"),
        (("scratches_9,7",), r"coils.csv, line 2 means 'scratches_9', which is no image of the data"),
        ((), r"coils.csv names no image"),
    ],
)
def test_a_table_that_tells_too_little_is_one_sentence(tmp_path: Path, rows: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_split(f"{table(tmp_path, *rows)}:coil", IMAGES)
