from __future__ import annotations

from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore_models.dataset import LabelledImage
from linecore_models.outliers import TIMES, chosen_evenly, draw_outliers, outliers_in
from linecore_models.textures import CHOOSING, JUDGING


def test_every_family_that_chooses_is_drawn_and_none_that_judges() -> None:
    outliers = draw_outliers(2, 40, 64, np.random.default_rng(0))
    assert [outlier.families for outlier in outliers[: 2 * len(CHOOSING)]] == [
        {family} for family, _ in product(CHOOSING, range(2))
    ]
    blended = outliers[2 * len(CHOOSING) :]
    assert len(blended) == 40
    assert all(len(outlier.families) == 2 for outlier in blended)
    seen = frozenset[str]().union(*(outlier.families for outlier in outliers))
    assert seen <= CHOOSING.keys()
    assert not seen & JUDGING.keys()


def test_outliers_are_frames_and_most_come_as_a_line_shows_them() -> None:
    def draw(seed: int) -> list[np.ndarray]:
        return [outlier.image for outlier in draw_outliers(6, 60, 64, np.random.default_rng(seed))]

    images = draw(0)
    assert {(image.shape, image.dtype.name) for image in images} == {((64, 64), "uint8")}
    assert all((one == again).all() for one, again in zip(images, draw(0), strict=True))
    assert any((one != other).any() for one, other in zip(images, draw(1), strict=True))
    # One grey everywhere, unless a line has put noise, dust or light on it.
    of_constant = images[6 * list(CHOOSING).index("constant") :][:6]
    assert sum(len(np.unique(image)) > 1 for image in of_constant) > 0


@pytest.mark.parametrize(("count", "total", "times"), [(3, 30, 10), (3, 2, 1), (1, 1000, TIMES)])
def test_pictures_of_other_surfaces_come_often_enough_to_count(
    tmp_path: Path, count: int, total: int, times: int
) -> None:
    images = []
    for number in range(count):
        path = tmp_path / "paper" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((30, 40), 100 + number, np.uint8))
        images.append(LabelledImage(path, "paper", "paper"))
    outliers = list(outliers_in(images, total, np.random.default_rng(0)))
    assert len(outliers) == count * times
    assert {outlier.families for outlier in outliers} == {frozenset({"paper/"})}
    changed = sum((outlier.image != 100 + place // times).any() for place, outlier in enumerate(outliers))
    assert changed > 0 or len(outliers) < 4


def test_no_folder_of_other_surfaces_drowns_the_others() -> None:
    names = [*(("belt", number) for number in range(50)), *(("paper", number) for number in range(3))]
    images = [LabelledImage(Path(f"{folder}/{number}.png"), folder, folder) for folder, number in names]
    chosen = chosen_evenly(images, 10, np.random.default_rng(0))
    assert (len(chosen), len(set(chosen))) == (10, 10)
    assert sum(image.source == "paper" for image in chosen) == 3
    assert set(chosen_evenly(images, 99, np.random.default_rng(0))) == set(images)
    assert chosen_evenly([], 5, np.random.default_rng(0)) == ()


def test_blends_come_under_the_conditions_of_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linecore_models.outliers.CHOOSING", dict.fromkeys("ab", CHOOSING["constant"]))
    monkeypatch.setattr("linecore_models.outliers.AS_DRAWN", 0)
    levels = [len(np.unique(one.image)) for one in draw_outliers(1, 60, 64, np.random.default_rng(0))[2:]]
    assert sum(count > 1 for count in levels) > 10


def test_a_blend_shows_both_of_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linecore_models.outliers.AS_DRAWN", 1.1)  # none under a condition
    families = {"black": lambda size, rng: np.zeros((size, size), np.uint8), "checkers": CHOOSING["checkers"]}
    monkeypatch.setattr("linecore_models.outliers.CHOOSING", families)
    board, *blends = draw_outliers(1, 20, 64, np.random.default_rng(0))[1:]
    for blend in blends:
        share = float(blend.image.max()) / float(board.image.max())
        assert 0.19 < share < 0.81
        np.testing.assert_allclose(blend.image, share * board.image, atol=1)
