from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore_models.answers import Answers
from linecore_models.exhibits import Exhibits
from linecore_models.readings import read_readings, rejected_by_reading
from tests.conftest import ROOT

HEADER = "window,first,second\n"


def table(folder: Path, lines: str) -> Path:
    (folder / "seen.csv").write_text(HEADER + lines)
    return folder / "seen.csv"


def exhibits(rejected: dict[str, bool]) -> Exhibits:
    """Windows by name, and whether the model calls them a defect."""
    scores = np.array([[0.9, 0.1] if one else [0.1, 0.9] for one in rejected.values()], np.float32)
    answers = Answers(scores, scores[:, np.newaxis, np.newaxis], scores)
    manifest = SimpleNamespace(labels=("dents", "ok"), pass_labels=("ok",))
    windows = tuple(SimpleNamespace(name=name) for name in rejected)
    truth = np.ones(0, np.int64)
    return Exhibits(manifest, (), (), truth, answers, {}, windows, answers)  # type: ignore[arg-type]


def test_windows_are_counted_by_what_both_readings_say(tmp_path: Path) -> None:
    lines = "a,defect,defect\nb,defect,defect\nc,good,good\nd,good,defect\ne,unsure,unsure\nf,good,unsure\n"
    kinds = read_readings(table(tmp_path, lines))
    found = rejected_by_reading(exhibits({"a": True, "b": False, "c": False, "d": True, "e": True, "f": False}), kinds)
    assert {kind: (one.k, one.n) for kind, one in found.items()} == {
        "a defect in both readings": (1, 2),
        "good in both readings": (0, 1),
        "unsure, or the two differ": (2, 3),
    }
    assert list(rejected_by_reading(exhibits({"c": True}), kinds)) == ["good in both readings"]


def test_without_windows_there_is_nothing_to_count() -> None:
    none = Exhibits(None, (), (), np.ones(0, np.int64), None, {})  # type: ignore[arg-type]
    assert rejected_by_reading(none, {}) == {}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("a,defect,bad\n", r"seen.csv, line 2: 'bad' is no reading; it takes defect, good or unsure"),
        ("a,bad,defect\n", r"seen.csv, line 2: 'bad' is no reading; it takes defect, good or unsure"),
        ("a,good,good\na,good,good\n", r"seen.csv, line 3: a stands there twice"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path: Path, lines: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_readings(table(tmp_path, lines))


def test_a_table_that_leaves_windows_out_is_refused(tmp_path: Path) -> None:
    kinds = read_readings(table(tmp_path, "a,good,good\n"))
    with pytest.raises(
        ConfigError, match=r"--readings has nothing of 2 of the 3 windows, the first is b; have them read"
    ):
        rejected_by_reading(exhibits({"a": True, "b": True, "c": True}), kinds)


def test_what_was_seen_on_the_held_out_windows_is_kept() -> None:
    kinds = read_readings(ROOT / "models" / "cards" / "neu-box-free.csv")
    assert Counter(kinds.values()) == {
        "a defect in both readings": 51,
        "good in both readings": 8,
        "unsure, or the two differ": 33,
    }
