"""The parts of the data: what teaches, what chooses and what judges a model."""

from __future__ import annotations

from dataclasses import dataclass

from linecore_models.dataset import LabelledImage
from linecore_models.manifest import PartName

HELD_OUT = 0.15
"""Share of each class that tests, and share that validates unless another is asked for; the rest teaches."""

PARTS: tuple[PartName, ...] = ("train", "validation", "test")


def fractions(validation: float = HELD_OUT) -> dict[PartName, float]:
    """Return the share of each class that each part gets, where *validation* of it validates."""
    return {"train": 1 - (HELD_OUT + validation), "validation": validation, "test": HELD_OUT}


@dataclass(frozen=True, slots=True)
class Division:
    """Which images teach, which choose, and which judge a model."""

    train: tuple[LabelledImage, ...]
    validation: tuple[LabelledImage, ...]
    test: tuple[LabelledImage, ...]


def parts_of(division: Division) -> dict[PartName, tuple[LabelledImage, ...]]:
    """Return the parts by name."""
    return {"train": division.train, "validation": division.validation, "test": division.test}
