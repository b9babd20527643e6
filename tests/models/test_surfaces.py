from __future__ import annotations

from pathlib import Path

from linecore_models.surfaces import write_surfaces
from linecore_models.textures import JUDGING


def test_other_surfaces_are_textures_that_chose_nothing_and_photographs(tmp_path: Path) -> None:
    textures, photographs = write_surfaces(tmp_path)
    assert {folder.name for folder in textures.iterdir()} == JUDGING.keys()
    natural = {folder.name for folder in photographs.iterdir()}
    assert {"brick", "grass", "gravel"} <= natural
    assert "logo" not in natural
