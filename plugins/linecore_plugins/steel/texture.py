"""Textures that go on for ever: each rolls out row by row, and the next rows meet the last ones without a seam."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray

_SPLINE_ENERGY = 151 / 315  # the mean of the sum of squared cubic B-spline weights: what smoothing leaves of a variance


def spline(knots: FloatArray, positions: npt.NDArray[np.float64]) -> FloatArray:
    """Return the uniform cubic B-spline through the rows of *knots* (k, n) at *positions* (p,): float32 (p, n).

    Positions count rows from 0 and may reach k - 3. No matrix product: those would start the threads of a BLAS.
    """
    cell = np.floor(positions).astype(np.intp)
    f = positions - cell
    taps = np.stack(((1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, 3 * (f - f**3 + f**2) + 1, f**3)) / 6
    weights: FloatArray = taps.astype(np.float32)[:, :, None]
    curve: FloatArray = weights[0] * knots[cell]
    for tap in (1, 2, 3):
        curve += weights[tap] * knots[cell + tap]
    return curve


class SplineNoise:
    """Smooth noise of mean 0 and variance 1, whose hills are about *cell_x* by *cell_y* pixels."""

    def __init__(self, rng: np.random.Generator, width: int, cell_x: float, cell_y: float) -> None:
        self._rng = rng
        self._cell_y = cell_y
        self._across = np.arange(width) / cell_x
        self._columns = math.floor(self._across[-1]) + 4
        self._knots = np.empty((0, width), np.float32)  # rows of the lattice, already smooth across
        self._position = float(rng.random())  # of the next row, in cells from the first row of knots

    def roll(self, height: int) -> FloatArray:
        """Return the next *height* rows, float32 (height, width)."""
        positions = self._position + np.arange(height) / self._cell_y
        missing = math.floor(positions[-1]) + 4 - len(self._knots)
        if missing > 0:
            lattice = self._rng.standard_normal((missing, self._columns), np.float32) / _SPLINE_ENERGY
            self._knots = np.vstack((self._knots, spline(lattice.T, self._across).T))
        rows = spline(self._knots, positions)
        after = self._position + height / self._cell_y
        passed = math.floor(after)
        self._knots, self._position = self._knots[passed:], after - passed
        return rows


class Grain:
    """Fine noise of mean 0 and variance 1: white noise through *kernel* (odd sides), which gives size and direction."""

    def __init__(self, rng: np.random.Generator, width: int, kernel: FloatArray) -> None:
        self._rng = rng
        self._kernel = kernel / np.sqrt((kernel**2).sum())
        self._margin = kernel.shape[0] // 2
        self._noise = rng.standard_normal((2 * self._margin, width), np.float32)

    def roll(self, height: int) -> FloatArray:
        """Return the next *height* rows, float32 (height, width)."""
        fresh = self._rng.standard_normal((height, self._noise.shape[1]), np.float32)
        noise = np.vstack((self._noise, fresh))
        self._noise = noise[height:]
        grain = cv2.filter2D(noise, cv2.CV_32F, self._kernel, borderType=cv2.BORDER_REFLECT)
        return np.asarray(grain[self._margin : self._margin + height], np.float32)


def grain_kernel(sigma_x: float, sigma_y: float, brush: float = 0.0, slope: float = 0.0) -> FloatArray:
    """Return an 11x11 kernel: a Gaussian spot, plus *brush* times a stroke that falls *slope* pixels a pixel."""
    reach = np.arange(-5, 6, dtype=np.float32)
    y, x = np.meshgrid(reach, reach, indexing="ij")
    spot = np.exp(-0.5 * ((x / sigma_x) ** 2 + (y / sigma_y) ** 2))
    stroke = np.exp(-0.5 * ((x / 3.0) ** 2 + ((y - slope * x) / 0.5) ** 2))
    kernel: FloatArray = (spot / spot.sum() + brush * stroke / stroke.sum()).astype(np.float32)
    return kernel
