import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_plugins.steel.texture import Grain, SplineNoise, grain_kernel, spline


def spline_noise(cell_x: float, cell_y: float, heights: list[int]) -> FloatArray:
    noise = SplineNoise(np.random.default_rng(1), 120, cell_x, cell_y)
    return np.vstack([noise.roll(height) for height in heights])


def test_a_spline_through_a_straight_line_is_that_line() -> None:
    knots = np.arange(10, dtype=np.float32)[:, None]
    positions = np.linspace(0, 6.9, 50)
    assert np.allclose(spline(knots, positions)[:, 0], positions + 1, atol=1e-5)


@pytest.mark.parametrize("heights", [[600], [200, 200, 200], [1] * 600, [7, 593]])
def test_spline_noise_is_the_same_however_it_is_cut(heights: list[int]) -> None:
    assert np.allclose(spline_noise(9, 23.5, heights), spline_noise(9, 23.5, [600]), atol=1e-4)


@pytest.mark.parametrize("heights", [[600], [200, 200, 200], [1] * 600])
def test_grain_is_the_same_however_it_is_cut(heights: list[int]) -> None:
    def rolled(heights: list[int]) -> FloatArray:
        grain = Grain(np.random.default_rng(1), 80, grain_kernel(0.7, 0.8, 1.0, 0.3))
        return np.vstack([grain.roll(height) for height in heights])

    assert np.allclose(rolled(heights), rolled([600]), atol=1e-4)


@pytest.mark.parametrize("cells", [(3, 4), (8, 30), (20, 20)])
def test_spline_noise_has_mean_0_and_variance_1(cells: tuple[int, int]) -> None:
    noise = spline_noise(*cells, [6000])
    assert abs(float(noise.mean())) < 0.1
    assert float(noise.std()) == pytest.approx(1, abs=0.1)


def test_grain_has_mean_0_and_variance_1() -> None:
    rows = Grain(np.random.default_rng(1), 200, grain_kernel(0.8, 0.6, 0.5, -0.2)).roll(400)
    assert abs(float(rows.mean())) < 0.05
    assert float(rows.std()) == pytest.approx(1, abs=0.05)


def test_large_cells_make_smooth_noise() -> None:
    fine, coarse = spline_noise(4, 4, [300]), spline_noise(30, 30, [300])
    assert np.abs(np.diff(coarse, axis=0)).mean() < 0.3 * np.abs(np.diff(fine, axis=0)).mean()
