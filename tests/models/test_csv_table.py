from __future__ import annotations

from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_models.csv_table import read_csv


def table(folder: Path, content: bytes) -> Path:
    (folder / "boxes.csv").write_bytes(content)
    return folder / "boxes.csv"


def test_cells_come_by_column_without_blanks_and_with_their_line(tmp_path: Path) -> None:
    path = table(tmp_path, b"\xef\xbb\xbfimage , coil\r\n1.jpg, 7\r\n\r\n2.jpg,8\r\n")
    assert [(line, dict(cells)) for line, cells in read_csv(path, ("image", "coil"))] == [
        (2, {"image": "1.jpg", "coil": "7"}),
        (4, {"image": "2.jpg", "coil": "8"}),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"boxes.csv has no column 'image'; it has no header"),
        (b"image,coli\n", r"boxes.csv has no column 'coil'; did you mean 'coli'\?"),
        (b"image,coil\n1.jpg\n", r"boxes.csv, line 2: it must have 2 cells, as the header"),
        (b"image,coil\n1.jpg,7,8\n", r"boxes.csv, line 2: it must have 2 cells, as the header"),
        (b"image,coil\n\xff.jpg,7\n", r"boxes.csv is no table of comma-separated values in UTF-8"),
        (b'image,coil\n"1.jpg,7\n', r"boxes.csv is no table of comma-separated values in UTF-8"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        list(read_csv(table(tmp_path, content), ("image", "coil")))


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"boxes\.csv cannot be read: No such file"):
        list(read_csv(tmp_path / "boxes.csv", ("image",)))
