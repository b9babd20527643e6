from __future__ import annotations

from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_models.card import Card, read_card


def test_a_card_may_leave_everything_out(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.touch()
    assert read_card(path) == Card()
    assert "Apache-2.0" in Card().licence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("limits = [", "card.toml is not valid TOML"),
        ('licences = "ours"', "card.toml: licences is not a known key; did you mean 'licence'"),
        ('licence = ""', "card.toml: licence is ''"),
    ],
)
def test_a_mistake_in_a_card_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "card.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        read_card(path)
