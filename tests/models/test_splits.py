from __future__ import annotations

import pytest

from linecore_models.dataset import LabelledImage
from linecore_models.division import Division
from linecore_models.groups import Groups
from linecore_models.splits import SplitMethod, divide, split_name
from tests.models.test_dataset import numbered


def numbers(images: tuple[LabelledImage, ...]) -> list[int]:
    return [int(image.path.stem.rsplit("_", 1)[1]) for image in images]


@pytest.mark.parametrize("method", ["blocks", "random"])
@pytest.mark.parametrize("count", [7, 20, 250])
def test_each_class_is_divided_70_15_15_and_every_image_has_one_place(method: SplitMethod, count: int) -> None:
    images = [*numbered(count), *numbered(2 * count, "ok")]
    division = divide(images, method, seed=3)
    together = [*division.train, *division.validation, *division.test]
    assert sorted(image.name for image in together) == sorted(image.name for image in images)
    for label, of in (("scratches", count), ("ok", 2 * count)):
        for part in (division.validation, division.test):
            assert sum(image.label == label for image in part) == round(0.15 * of)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_runs_of_neighbours(seed: int) -> None:
    division = divide(numbered(100), "blocks", seed)
    validation, test = numbers(division.validation), numbers(division.test)
    assert validation == list(range(validation[0], validation[0] + 15))
    assert test == list(range(test[0], test[0] + 15))
    assert abs(test[0] - validation[0]) == 15  # side by side: only three borders tear neighbours apart


def test_blocks_lie_elsewhere_for_another_seed_and_another_class() -> None:
    images = [*numbered(100), *numbered(100, "ok")]
    places = {
        (seed, label): numbers(tuple(image for image in divide(images, "blocks", seed).test if image.label == label))[0]
        for seed in range(4)
        for label in ("ok", "scratches")
    }
    assert len(set(places.values())) > 5


def test_a_split_is_the_same_each_time_and_whatever_else_is_trained_on() -> None:
    alone = divide(numbered(100), "blocks", seed=5)
    joined = divide([*numbered(60, "ok", source="drawn"), *numbered(100)], "blocks", seed=5)

    def of_neu(division: Division) -> list[list[LabelledImage]]:
        parts = (division.train, division.validation, division.test)
        return [[image for image in part if image.source == "neu"] for part in parts]

    assert of_neu(alone) == of_neu(joined)


def test_a_random_split_tears_neighbours_apart() -> None:
    test = numbers(divide(numbered(100), "random", seed=0).test)
    assert test != list(range(test[0], test[0] + 15))


def test_the_held_out_blocks_of_a_seed_never_move() -> None:
    """Bundles name their seed: whoever divides the same files again must get the same parts."""
    division = divide(numbered(250, "patches"), "blocks", seed=0)
    assert (numbers(division.test)[0], numbers(division.validation)[0]) == (35, 73)


@pytest.mark.parametrize("method", ["blocks", "random"])
@pytest.mark.parametrize("seed", range(6))
def test_a_smaller_share_for_validation_teaches_the_rest_and_moves_no_test_image(
    method: SplitMethod, seed: int
) -> None:
    images = [*numbered(100), *numbered(40, "ok")]
    usual, small = divide(images, method, seed), divide(images, method, seed, validation=0.05)
    assert small.test == usual.test
    assert set(small.validation) < set(usual.validation)
    assert set(small.train) == set(usual.train) | set(usual.validation) - set(small.validation)
    assert [sum(image.label == label for image in small.validation) for label in ("scratches", "ok")] == [5, 2]


@pytest.mark.parametrize("seed", range(6))
def test_what_stays_of_a_validation_block_lies_beside_the_test_block(seed: int) -> None:
    division = divide(numbered(100), "blocks", seed, validation=0.04)
    held = sorted(numbers((*division.validation, *division.test)))
    assert held == list(range(held[0], held[0] + 19))


def test_the_smallest_share_for_validation_is_an_image_of_each_class() -> None:
    assert len(divide([*numbered(20), *numbered(20, "ok")], "blocks", 0, validation=0.001).validation) == 2


def test_data_folders_without_groups_are_divided_in_blocks() -> None:
    steel, drawn = numbered(20), numbered(20, source="drawn")
    coils = Groups("coils.csv:coil", {image.name: str(index // 2) for index, image in enumerate(steel)})
    together = divide([*steel, *drawn], coils, seed=1)
    alone = divide(drawn, "blocks", seed=1)
    assert tuple(image for image in together.test if image.source == "drawn") == alone.test
    assert sum(len(part) for part in (together.train, together.validation, together.test)) == 40


def test_a_split_is_named_by_its_method_or_by_table_and_column() -> None:
    assert split_name("blocks") == "blocks"
    assert split_name(Groups("coils.csv:coil", {})) == "coils.csv:coil"
