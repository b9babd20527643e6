"""The short version of the fuzz proof, and its watchdog."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.torture import mutations, seeds
from tests.torture.fuzz import fuzz

FOLDER = Path(os.environ.get("LINECORE_NEU", ROOT / ".." / "shared" / "data" / "neu")).resolve()
NEU = FOLDER if FOLDER.is_dir() else None  # drawn pictures do as well


@pytest.mark.parametrize(("kind", "number"), [("images", 600), ("messages", 600), ("socket", 100)])
def test_what_is_mutated_is_taken_or_refused(kind: str, number: int) -> None:
    findings = fuzz(kind, number, folder=NEU)
    assert findings.clean, "\n".join(findings.lines())
    assert findings.total == number
    assert findings.accepted > 0
    assert len(findings.refused) > 10


def test_the_watchdog_names_what_crashes_and_what_hangs() -> None:
    findings = fuzz("faults", 8)
    assert list(findings.faults) == [3, 5]
    assert "ended with -6" in findings.faults[3]
    assert "hung" in findings.faults[5]
    assert not findings.clean
    assert findings.accepted == 6


def test_an_input_follows_from_its_number() -> None:
    originals = seeds.images(None)
    assert [mutations.image(number, originals) for number in range(50)] == [
        mutations.image(number, originals) for number in range(50)
    ]
