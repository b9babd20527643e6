"""Images that belong together, such as those of one coil, go to one part as a whole."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linecore.errors import ConfigError
from linecore_models.dataset import LabelledImage
from linecore_models.division import HELD_OUT, PARTS, fractions
from linecore_models.manifest import PartName

TRIES = 8
"""Of dividing groups from other beginnings: there are too many ways to see them all."""

MOST_SWAPPED = 100
"""Groups up to which two of them may change places; with more, moving single ones comes near enough."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Which images belong together, such as those of one coil, and must not be torn apart."""

    name: str  # what model.json calls the split: the table's file and column
    of: Mapping[str, str]  # name of an image -> its group


def place_groups(
    images: Sequence[LabelledImage], groups: Groups, seed: int, validation: float = HELD_OUT
) -> dict[str, PartName]:
    """Return the part of each image, by its name, so that parts come near to their shares of each class.

    Where less is to validate than usual, groups go from there to teaching as long as that much of each class stays.

    Raises:
        ConfigError: the groups are too few, or too mixed, for each part to get some of each class.
    """
    names = sorted({groups.of[image.name] for image in images})
    classes = sorted({(image.source, image.label) for image in images})
    counts = np.zeros((len(names), len(classes)))
    group_index = {name: index for index, name in enumerate(names)}
    class_index = {key: index for index, key in enumerate(classes)}
    for image in images:
        counts[group_index[groups.of[image.name]], class_index[image.source, image.label]] += 1
    for (source, label), column in zip(classes, counts.T, strict=True):
        if (held_by := int((column > 0).sum())) < len(PARTS):
            raise ConfigError(
                f"{groups.name}: class {label!r} of {source} lies in {held_by} group{'' if held_by == 1 else 's'}; it "
                "takes at least 3, one to train, one to validate and one to test with"
            )
    rng = np.random.default_rng([seed, zlib.crc32(b"groups")])
    parts = nearest_shares(counts, rng, list(fractions().values()))
    for (source, label), column in zip(classes, counts.T, strict=True):
        for index, name in enumerate(PARTS):
            if not column[parts == index].any():
                raise ConfigError(
                    f"{groups.name}: no division was found that gives each part some of each class; {name} would have "
                    f"no {label!r} of {source}; collect it in more groups, or use --split blocks"
                )
    if validation < HELD_OUT:
        _let_teach(counts, parts, np.maximum(1, np.round(validation * counts.sum(axis=0))), rng)
    return {image.name: PARTS[parts[group_index[groups.of[image.name]]]] for image in images}


def _let_teach(
    counts: npt.NDArray[np.float64],
    parts: npt.NDArray[np.int64],
    least: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Change *parts* so that groups which validated teach, in random order, where *least* of each class still stay."""
    validating = PARTS.index("validation")
    left = counts[parts == validating].sum(axis=0)
    for group in rng.permutation(np.flatnonzero(parts == validating)):
        if (left - counts[group] >= np.minimum(least, left)).all():
            left -= counts[group]
            parts[group] = PARTS.index("train")


def nearest_shares(
    counts: npt.NDArray[np.float64], rng: np.random.Generator, shares: Sequence[float]
) -> npt.NDArray[np.int64]:
    """Return a part (0, 1, 2 for train, validation, test) for each group, so that classes come near to their *shares*.

    *counts* has a row for each group, a column for each class. From several random beginnings, groups move and change
    places as long as that helps; the best of them is returned. Near, but not always the very nearest.
    """
    total = counts.sum(axis=0)
    wanted = np.array(shares)[:, np.newaxis] * total
    one_hot = np.eye(len(shares))

    def cost(held: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Of counts by part and class: squared distance of the shares, and dear where a part has none of a class."""
        return np.asarray((((held - wanted) / total) ** 2).sum(axis=(-2, -1)) + 10 * (held <= 0).sum(axis=(-2, -1)))

    best, best_cost = np.zeros(len(counts), np.int64), np.inf
    for _ in range(TRIES):
        parts = rng.choice(len(shares), len(counts), p=np.array(shares))
        while True:
            held = one_hot[parts].T @ counts
            now = float(cost(held))
            # What each group would change by moving to each part: groups x new parts x parts x classes.
            shift = (one_hot[np.newaxis] - one_hot[parts][:, np.newaxis])[..., np.newaxis] * counts[
                :, np.newaxis, np.newaxis
            ]
            moves = cost(held + shift)
            group, part = np.unravel_index(int(moves.argmin()), moves.shape)
            if moves[group, part] < now - 1e-12:
                parts[group] = part
                continue
            if len(counts) <= MOST_SWAPPED:
                change = (
                    counts[np.newaxis] - counts[:, np.newaxis]
                )  # what the first's part gains if it takes the second
                side = (one_hot[parts][:, np.newaxis] - one_hot[parts][np.newaxis])[..., np.newaxis]
                swaps = cost(held + side * change[:, :, np.newaxis])
                first, second = np.unravel_index(int(swaps.argmin()), swaps.shape)
                if swaps[first, second] < now - 1e-12:
                    parts[[first, second]] = parts[[second, first]]
                    continue
            break
        if now < best_cost:
            best, best_cost = parts, now
    return best
