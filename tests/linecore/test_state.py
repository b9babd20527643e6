from pathlib import Path

import pytest

from linecore.config import parse_config
from linecore.errors import ConfigError
from linecore.state import sole_server, state_folder


def test_each_line_has_a_folder_beside_its_file(tmp_path: Path) -> None:
    assert state_folder(tmp_path, "left") == tmp_path / ".linecore" / "left"
    assert state_folder(tmp_path, "left").is_dir()
    assert state_folder(tmp_path, "left") != state_folder(tmp_path, "right")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".linecore").touch()
    with pytest.raises(ConfigError, match="cannot be made .*; a line needs to write beside its file"):
        state_folder(tmp_path, "left")


def test_one_process_serves_a_line_and_the_next_may_when_it_has_ended(tmp_path: Path) -> None:
    config = parse_config(b'[line]\nname = "mill"', tmp_path / "line.toml", {})
    taken = pytest.raises(ConfigError, match="is being served already, by process")
    for _ in range(2):
        with sole_server(config), taken, sole_server(config):
            raise AssertionError("two servers")
