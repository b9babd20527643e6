from __future__ import annotations

from pathlib import Path

from linecore_models.surfaces import SIDE, photographs_to_choose_by, write_surfaces
from linecore_models.textures import JUDGING


def test_other_surfaces_are_textures_that_chose_nothing_and_photographs(tmp_path: Path) -> None:
    textures, photographs = write_surfaces(tmp_path)
    assert {folder.name for folder in textures.iterdir()} == JUDGING.keys()
    natural = {folder.name for folder in photographs.iterdir()}
    assert {"brick", "grass", "gravel"} <= natural
    assert "logo" not in natural


def test_photographs_to_choose_by_are_parts_of_two_pictures() -> None:
    parts = photographs_to_choose_by()
    assert {part.shape for part in parts} == {(SIDE, SIDE)}
    assert len(parts) == 2 * 3 * 5  # of 427 x 640 pixels, half over each other
    assert min(float(part.std()) for part in parts) > 5
