from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from linecore.errors import ConfigError
from linecore_models.division import fractions
from linecore_models.groups import Groups, nearest_shares, place_groups
from tests.models.test_dataset import numbered

SHARES = fractions()


def distance(counts: npt.NDArray[np.float64], parts: npt.NDArray[np.int64]) -> float:
    total = counts.sum(axis=0)
    shares = np.array([counts[parts == part].sum(axis=0) / total for part in range(3)])
    empty = (shares == 0).sum()
    return float(((shares - np.array(list(SHARES.values()))[:, np.newaxis]) ** 2).sum() + 10 * empty)


@pytest.mark.parametrize("seed", range(5))
def test_few_groups_are_divided_as_near_as_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, (8, 2)).astype(np.float64)
    best = min(distance(counts, np.array(parts)) for parts in product(range(3), repeat=len(counts)))
    found = nearest_shares(counts, np.random.default_rng(0), list(SHARES.values()))
    assert distance(counts, found) == pytest.approx(best, abs=2e-3)


def test_many_groups_come_within_a_percent() -> None:
    counts = np.random.default_rng(0).integers(1, 9, (300, 6)).astype(np.float64)
    parts = nearest_shares(counts, np.random.default_rng(0), list(SHARES.values()))
    shares = np.array([counts[parts == part].sum(axis=0) / counts.sum(axis=0) for part in range(3)])
    assert np.abs(shares - np.array(list(SHARES.values()))[:, np.newaxis]).max() < 0.01


def test_a_group_is_never_torn_apart_and_the_same_seed_divides_the_same() -> None:
    images = [*numbered(60), *numbered(60, "ok")]
    coils = Groups("coils.csv:coil", {image.name: str(index % 20) for index, image in enumerate(images)})
    places = place_groups(images, coils, seed=4)
    of_group = {(coils.of[name], part) for name, part in places.items()}
    assert len(of_group) == 20
    assert {part for _, part in of_group} == set(SHARES)
    assert places == place_groups(images, coils, seed=4)
    assert places != place_groups(images, coils, seed=5)


@pytest.mark.parametrize("groups", [6, 12, 40])
def test_a_smaller_share_for_validation_lets_groups_teach_and_moves_none_that_tests(groups: int) -> None:
    images = [*numbered(120), *numbered(120, "ok")]
    coils = Groups("coils.csv:coil", {image.name: str(index % groups) for index, image in enumerate(images)})
    for seed in range(4):
        usual, small = place_groups(images, coils, seed), place_groups(images, coils, seed, validation=0.05)
        moved = {(usual[name], small[name]) for name in usual if usual[name] != small[name]}
        assert moved <= {("validation", "train")}
        validating = [sum(small[image.name] == "validation" for image in some) for some in (images[:120], images[120:])]
        assert min(validating) >= 6
        if groups == 40:
            assert max(validating) < 12
        assert len({(coils.of[name], part) for name, part in small.items()}) == groups


def test_a_class_in_two_groups_cannot_be_divided() -> None:
    images = [*numbered(10), *numbered(10, "ok")]
    of = {image.name: str(index % 2 if image.label == "ok" else index) for index, image in enumerate(images)}
    with pytest.raises(ConfigError, match=r"coils.csv:coil: class 'ok' of neu lies in 2 groups; it takes at least 3"):
        place_groups(images, Groups("coils.csv:coil", of), seed=0)


def test_groups_that_cannot_serve_every_part_are_told() -> None:
    # Each class lies in three of four groups; two groups must share a part, and some class lies in both of them.
    images = [image for label in "abcd" for image in numbered(3, label)]
    of = dict(zip([image.name for image in images], "123124134234", strict=True))
    with pytest.raises(ConfigError, match=r"coils.csv:coil: no division was found that gives each part some of each"):
        place_groups(images, Groups("coils.csv:coil", of), seed=0)
