"""How coarse what is on a picture is: its light, and what each octave of the rest holds.

Noise holds little but in the finest octave, whatever its strength; a surface, however dim, holds more in the coarser.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image

OCTAVES = 5
BANDS = 1 + OCTAVES

LEAST_POWER = 0.01
"""Grey levels squared, a tenth of a level: what is below is empty. Rounding to whole levels leaves eight times that."""


def spectra(squares: Iterable[Image | FloatArray]) -> FloatArray:
    """Return the logarithm of the root mean square of each band of *squares*: float32, N x BANDS.

    The first band is the light: how far the polynomial of fourth degree that fits best is from even. The others are
    octaves of what is left, the finest first: the levels of a Laplacian pyramid (Burt and Adelson 1983,
    https://doi.org/10.1109/TCOM.1983.1095851). What a square is too small for is as empty as can be. *squares* are
    size x size or size x size x 1, grey levels.
    """
    powers = np.array(
        [_powers(np.asarray(square, np.float32).reshape(square.shape[:2])) for square in squares], np.float32
    )
    return np.asarray(0.5 * np.log(powers.reshape(-1, BANDS) + np.float32(LEAST_POWER)), np.float32)


def _powers(square: FloatArray) -> list[float]:
    polynomials, together = _polynomials(len(square))
    light = np.where(together, polynomials.T @ square @ polynomials, 0)
    levels = np.asarray(square - polynomials @ light @ polynomials.T, np.float32)
    powers = [float(np.square(light).sum() - light[0, 0] ** 2) / square.size]
    while len(powers) < BANDS and len(levels) > 1:
        coarser = np.asarray(cv2.pyrDown(levels), np.float32)
        octave = levels - np.asarray(cv2.pyrUp(coarser, dstsize=levels.shape[::-1]), np.float32)
        powers.append(cv2.norm(octave, cv2.NORM_L2SQR) / octave.size)
        levels = coarser
    return powers + [0.0] * (BANDS - len(powers))


DEGREE = 4
"""Of the light, down and across together. At 2, what a spot of stray light leaves over looks like a surface's coarse
octaves; from 6 on, the polynomial takes those of steel as well."""


@lru_cache(maxsize=8)
def _polynomials(size: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return orthonormal polynomials of rising degree over a side, size x (DEGREE + 1) or as many as it is long.

    And which products of two of them, one down and one across, are of no higher degree together.
    """
    degree = min(DEGREE, size - 1)
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, size), degree))
    degrees = np.arange(degree + 1)
    return np.asarray(basis, np.float32), np.add.outer(degrees, degrees) <= DEGREE
