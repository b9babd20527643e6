from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.answers import Answers
from linecore_models.readings import read_readings, rejected_by_reading

HEADER = "window,first,second\n"


def table(folder: Path, lines: str) -> Path:
    (folder / "seen.csv").write_text(HEADER + lines)
    return folder / "seen.csv"


def exhibits(rejected: dict[str, bool]) -> Any:
    """Windows by name, and whether the model calls them a defect."""
    scores = np.array([[0.9, 0.1] if one else [0.1, 0.9] for one in rejected.values()], np.float32)
    return SimpleNamespace(
        manifest=SimpleNamespace(labels=("dents", "ok"), pass_labels=("ok",)),
        windows=[SimpleNamespace(name=name) for name in rejected],
        window_answers=Answers(scores, scores[:, np.newaxis, np.newaxis], scores),
    )


def test_windows_are_counted_by_what_both_readings_say(tmp_path: Path) -> None:
    kinds = read_readings(
        table(
            tmp_path, "a,defect,defect\nb,defect,defect\nc,good,good\nd,good,defect\ne,unsure,unsure\nf,good,unsure\n"
        )
    )
    found = rejected_by_reading(exhibits({"a": True, "b": False, "c": False, "d": True, "e": True, "f": False}), kinds)
    assert {kind: (one.k, one.n) for kind, one in found.items()} == {
        "a defect in both readings": (1, 2),
        "good in both readings": (0, 1),
        "unsure, or not alike": (2, 3),
    }
    assert list(rejected_by_reading(exhibits({"c": True}), kinds)) == ["good in both readings"]


def test_a_model_without_windows_has_nothing_to_read() -> None:
    assert rejected_by_reading(SimpleNamespace(window_answers=None), {}) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("a,defect,bad\n", r"seen.csv, line 2: 'bad' is no reading; it takes defect, good or unsure"),
        ("a,good,good\na,good,good\n", r"seen.csv, line 3: a stands there twice"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path: Path, lines: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_readings(table(tmp_path, lines))


def test_a_window_that_nobody_read_is_named(tmp_path: Path) -> None:
    kinds = read_readings(table(tmp_path, "a,good,good\n"))
    with pytest.raises(ConfigError, match=r"no reading of b, nor of 1 more of 3 windows"):
        rejected_by_reading(exhibits({"a": True, "b": True, "c": True}), kinds)
