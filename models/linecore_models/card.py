"""What people must know of a model and no figure says: a small TOML file beside the training data."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from linecore.errors import ConfigError
from linecore.validation import validate


class Card(BaseModel):
    """All of a card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: str = Field(
        "The backbone's ImageNet weights come from the TensorFlow model garden (Apache-2.0); the terms of the data "
        "that the model was trained on apply beside it.",
        min_length=1,
        description="under which terms the model, its weights and its data may be used",
    )
    limits: tuple[str, ...] = Field((), description="sentences: what the model must not be trusted with")
    sources: tuple[str, ...] = Field((), description="where the data came from; unset: the data folders' names")


def read_card(path: Path) -> Card:
    """Read a card; ConfigError where it is missing or wrong."""
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--card is '{path}', which cannot be read ({error.strerror}); name a TOML file") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}; mend that line") from None
    return validate(Card, written, where=str(path), key="", shown=written, folder=path.parent)
