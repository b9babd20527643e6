"""Which images teach, which choose and which judge: by runs of neighbours, at random, or by whole groups."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from linecore_models.dataset import LabelledImage
from linecore_models.division import HELD_OUT, Division
from linecore_models.groups import Groups, place_groups
from linecore_models.manifest import PartName

SplitMethod = Literal["blocks", "random"]
SPLIT_METHODS: tuple[SplitMethod, ...] = ("blocks", "random")


def split_name(split: SplitMethod | Groups) -> str:
    """Return what model.json calls a way to divide."""
    return split.name if isinstance(split, Groups) else split


def divide(
    images: Sequence[LabelledImage], split: SplitMethod | Groups, seed: int, validation: float = HELD_OUT
) -> Division:
    """Divide each class of each data folder 70/15/15, or with another share for *validation*, of at most 15 %.

    ``blocks``: neighbouring file numbers are often neighbours on the strip, and nearly the same picture. So one run of
    neighbours is held out, somewhere in the class, and halved into validation and test; nothing is left out between the
    runs, so that at most one pair of neighbours is torn apart at each of the run's three borders. ``random`` draws file
    by file: it flatters a model wherever neighbours look alike. Both draw for each class by itself: adding a data
    folder moves nothing in another. A smaller share for validation moves no image into the test part or out of it: of a
    run, what lies beside the test run still validates, and the rest teaches.

    Groups go to one part as a whole, so that each class comes as near to its shares as was found in a few tries; data
    folders that the groups do not mention are divided in blocks.

    Raises:
        ConfigError: the groups are too few, or too mixed, for each part to get some of each class.
    """
    classes: dict[tuple[str, str], list[LabelledImage]] = {}
    for image in images:
        classes.setdefault((image.source, image.label), []).append(image)
    ordered = [image for members in classes.values() for image in members]
    places: dict[str, PartName] = {}
    if isinstance(split, Groups):
        grouped = [image for image in images if image.name in split.of]
        mentioned = {image.source for image in grouped}
        classes = {key: members for key, members in classes.items() if key[0] not in mentioned}
        places |= place_groups(grouped, split, seed, validation)
    for (source, label), members in classes.items():
        rng = np.random.default_rng([seed, zlib.crc32(f"{source}/{label}".encode())])
        count = len(members)
        held = round(HELD_OUT * count)
        kept = max(1, round(validation * count))
        tests, validations = (_drawn if split == "random" else _run)(count, held, kept, rng)
        for index, image in enumerate(members):
            places[image.name] = "test" if index in tests else "validation" if index in validations else "train"

    def part(name: PartName) -> tuple[LabelledImage, ...]:
        return tuple(image for image in ordered if places[image.name] == name)

    return Division(part("train"), part("validation"), part("test"))


def _run(count: int, held: int, kept: int, rng: np.random.Generator) -> tuple[set[int], set[int]]:
    """Return the places of the *held* test and of the *kept* validation images: two runs, side by side."""
    start = int(rng.integers(count - 2 * held + 1))
    middle = start + held
    if rng.random() < 0.5:
        return set(range(start, middle)), set(range(middle, middle + kept))
    return set(range(middle, middle + held)), set(range(middle - kept, middle))


def _drawn(count: int, held: int, kept: int, rng: np.random.Generator) -> tuple[set[int], set[int]]:
    """Return the places of the *held* test and of the *kept* validation images, drawn one by one."""
    order = rng.permutation(count).tolist()
    return set(order[:held]), set(order[held : held + kept])
