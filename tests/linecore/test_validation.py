from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from linecore.errors import ConfigError
from linecore.validation import did_you_mean, mask_password, shown_value, validate


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(1, gt=0)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="what it is called")
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    either: int | tuple[int, int] = 0


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({}, "f: t.name is missing; set it: what it is called"),
        ({"nam": "a"}, "f: t.nam is not a known key; did you mean 'name'?"),
        ({"name": "a", "inner": {"size": 0}}, "f: t.inner.size is 0; it must be greater than 0"),
        ({"name": "a", "inner": {"sise": 0}}, "f: t.inner.sise is not a known key; did you mean 'size'?"),
        ({"name": "a", "zzz": 0}, "f: t.zzz is not a known key; known are name, inner, several, either"),
        ({"name": "a", "several": [{}, {"size": "x"}]}, "f: t.several.1.size is 'x'; it must be a valid integer"),
        ({"name": "a", "either": "x"}, "f: t.either is 'x'; it must be a valid integer"),
    ],
)
def test_the_first_mistake_is_a_sentence(table: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Outer, table, where="f", key="t", shown=table, folder=Path())
    assert str(caught.value) == sentence


def test_a_secret_is_shown_as_it_was_written() -> None:
    with pytest.raises(ConfigError, match=r"t\.inner\.size is '\$\{SIZE\}'; it must be a valid integer") as caught:
        validate(
            Outer,
            {"name": "a", "inner": {"size": "s3cret"}},
            where="f",
            key="t",
            shown={"name": "a", "inner": {"size": "${SIZE}"}},
            folder=Path(),
        )
    assert "s3cret" not in str(caught.value)


def test_a_near_miss_is_suggested_and_a_far_one_is_not() -> None:
    assert did_you_mean("databse", ["database", "console"]) == "; did you mean 'database'?"
    assert did_you_mean("xyz", ["database"]) == ""


def test_passwords_in_urls_are_masked_and_long_values_cut() -> None:
    assert mask_password("rtsp://me:pw@cam/1") == "rtsp://me:***@cam/1"
    assert mask_password("postgresql://u:p@ss@h/db") == "postgresql://u:***@h/db"
    assert shown_value("http://me:pw@host") == "'http://me:***@host'"
    assert len(shown_value("x" * 500)) == 80
