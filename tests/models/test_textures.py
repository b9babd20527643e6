from __future__ import annotations

import numpy as np
import pytest

from linecore_models.textures import CHOOSING, JUDGING, constant, draw_textures, gradient, static

FAMILIES = {**CHOOSING, **JUDGING}


def test_no_family_judges_what_it_helped_to_choose() -> None:
    assert not CHOOSING.keys() & JUDGING.keys()
    assert len(FAMILIES) == len(set(FAMILIES.values())) == 23


@pytest.mark.parametrize("name", FAMILIES)
def test_each_draw_is_another_grey_square(name: str) -> None:
    drawn = draw_textures({name: FAMILIES[name]}, 4, 48, np.random.default_rng(0))[name]
    assert drawn.shape == (4, 48, 48)
    assert drawn.dtype == np.uint8
    assert len({one.tobytes() for one in drawn}) == 4
    if name not in ("constant", "darkness"):
        assert all(np.ptp(one) >= 39 for one in drawn)


def test_the_same_seed_draws_the_same() -> None:
    first, second = (draw_textures(FAMILIES, 1, 32, np.random.default_rng(3)) for _ in range(2))
    for name in FAMILIES:
        np.testing.assert_array_equal(first[name], second[name])


def test_families_look_as_they_are_called() -> None:
    rng = np.random.default_rng(0)
    assert np.ptp(constant(32, rng)) == 0
    ramp = gradient(64, rng).astype(int)
    assert abs(np.diff(ramp, axis=0)).max() < 10
    noise = [static(64, np.random.default_rng(seed)).astype(float) for seed in range(5)]
    assert all(abs(np.corrcoef(one[:, :-8].ravel(), one[:, 8:].ravel())[0, 1]) < 0.1 for one in noise)


def test_none_asked_for_is_none() -> None:
    assert draw_textures({"constant": constant}, 0, 8, np.random.default_rng(0))["constant"].shape == (0, 8, 8)
