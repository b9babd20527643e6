from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.other_surfaces import read_unknown


def write(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 30), level, np.uint8))


def test_images_of_all_folders_and_those_below_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("paper/10.png", "paper/9.png", "belt/empty/1.png"):
        write(tmp_path / name, 90)
    (tmp_path / "paper" / "notes.txt").write_text("no image")
    images = read_unknown([tmp_path / "paper", tmp_path / "belt"])
    assert [(image.source, image.path.name) for image in images] == [
        ("paper", "9.png"),
        ("paper", "10.png"),
        ("belt", "1.png"),
    ]
    assert read_unknown([]) == ()


def test_what_cannot_teach_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--unknown is '.*absent', which is no folder; name one that holds images"):
        read_unknown([tmp_path / "absent"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="--unknown is '.*empty', which holds no images"):
        read_unknown([tmp_path / "empty"])
    write(tmp_path / "paper" / "1.png", 90)
    (tmp_path / "paper" / "2.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"2\.png cannot be read: .*; mend or remove the file"):
        read_unknown([tmp_path / "paper"])
