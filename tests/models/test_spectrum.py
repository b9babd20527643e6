from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_models.spectrum import BANDS, LEAST_POWER, OCTAVES, spectra

SIDE = 128
EMPTY = 0.5 * np.log(LEAST_POWER)


def waves(pixels: float, height: float = 40.0) -> FloatArray:
    """Return a square of waves that are so many pixels long."""
    x = np.arange(SIDE)
    return np.broadcast_to(128 + height * np.sin(2 * np.pi * x / pixels), (SIDE, SIDE)).astype(np.float32)


def test_longer_waves_lie_in_coarser_octaves() -> None:
    powers = spectra([waves(pixels) for pixels in (4, 8, 16, 32, 64)])
    assert powers.shape == (5, BANDS)
    assert powers[:, 1:].argmax(axis=1).tolist() == list(range(OCTAVES))


def test_light_that_falls_off_is_not_mistaken_for_texture() -> None:
    across, down = np.meshgrid(*2 * [np.linspace(-1, 1, SIDE)])
    lights = (0 * across + 90, 128 + 60 * across + 20 * down, 160 * (1 - across**2 / 3))
    even, ramp, vignette = spectra([light.astype(np.float32) for light in lights])
    (spot,) = spectra([(20 + 100 * np.exp(-(across**2 + down**2))).astype(np.float32)])
    assert ramp[0] == pytest.approx(0.5 * np.log((60**2 + 20**2) / 3), abs=0.02)
    assert vignette[0] > 2
    assert even.tolist() == pytest.approx([EMPTY] * BANDS, abs=1e-3)
    assert ramp[1:].tolist() == pytest.approx([EMPTY] * OCTAVES, abs=1e-3)
    assert vignette[1:].tolist() == pytest.approx([EMPTY] * OCTAVES, abs=1e-3)
    assert spot[0] > 2 + spot[1:].max()


def test_powers_are_logarithms_of_the_root_mean_square() -> None:
    once, twice = spectra([waves(3, 20), waves(3, 40)])
    assert twice[1] - once[1] == pytest.approx(np.log(2), abs=1e-3)
    assert once[1] == pytest.approx(np.log(20 / np.sqrt(2)), abs=0.15)  # the finest octave holds nearly all of it


def test_noise_of_any_strength_halves_from_octave_to_octave() -> None:
    rng = np.random.default_rng(0)
    for sigma in (5, 10, 30):
        powers = spectra([rng.normal(128, sigma, (SIDE, SIDE)).astype(np.float32) for _ in range(20)])
        steps = np.diff(powers.mean(axis=0))[2:4]  # the first is larger: a pyramid's finest octave is wide
        assert steps == pytest.approx(-np.log(2) * np.ones(2), abs=0.15)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_a_tiny_square_is_all_light(side: int) -> None:
    powers = spectra([np.random.default_rng(0).integers(256, size=(side, side)).astype(np.uint8)])
    assert powers.shape == (1, BANDS)
    assert np.isfinite(powers).all()


@pytest.mark.parametrize("side", [8, 12])
def test_a_small_square_has_no_coarse_octaves(side: int) -> None:
    powers = spectra([np.random.default_rng(0).integers(256, size=(side, side, 1)).astype(np.uint8)])
    assert powers.shape == (1, BANDS)
    assert np.isfinite(powers).all()
    assert powers[0, 1] > EMPTY
    assert powers[0, -1] == pytest.approx(EMPTY, abs=0.1)


def test_nothing_has_no_powers() -> None:
    assert spectra([]).shape == (0, BANDS)
