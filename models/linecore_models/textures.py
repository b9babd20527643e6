"""Drawn surfaces that no line makes: what a model should call novel, for choosing and judging how novelty is measured.

Photographs and other products test the same, but nobody can ship them. Each family is a function that draws one image
(uint8, size x size) with everything random about it: scale, direction, brightness, contrast. The families are told
apart by what they are for, so that none judges a method that it helped to choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from linecore.inspection import Image

Levels = npt.NDArray[np.float32]
Draw = Callable[[int, np.random.Generator], Image]


def draw_textures(families: Mapping[str, Draw], each: int, size: int, rng: np.random.Generator) -> dict[str, Image]:
    """Draw *each* images of every family: family -> uint8, each x size x size."""
    return {
        name: np.stack([draw(size, rng) for _ in range(each)]) if each else np.empty((0, size, size), np.uint8)
        for name, draw in families.items()
    }


def checkers(size: int, rng: np.random.Generator) -> Image:
    """Draw a board of two greys, turned by any angle."""
    across, along = _turned(size, rng)
    side = rng.uniform(0.03, 0.2) * size
    return _shaded((np.floor(across / side) + np.floor(along / side)) % 2, rng)


def stripes(size: int, rng: np.random.Generator) -> Image:
    """Draw even bars, hard or soft, turned by any angle."""
    across, _ = _turned(size, rng)
    wave = np.sin(across * (2 * math.pi / (rng.uniform(0.04, 0.25) * size)))
    return _shaded(np.clip(wave * rng.choice([1, 8]), -1, 1), rng)


def dots(size: int, rng: np.random.Generator) -> Image:
    """Draw a lattice of discs: perforated sheet, print."""
    across, along = _turned(size, rng)
    pitch = rng.uniform(0.05, 0.2) * size
    from_centre = np.hypot(across % pitch - pitch / 2, along % pitch - pitch / 2)
    return _shaded(np.clip(from_centre - rng.uniform(0.2, 0.45) * pitch, -1, 1), rng)


def gradient(size: int, rng: np.random.Generator) -> Image:
    """Draw a ramp from one grey to another: no surface at all, only light."""
    across, _ = _turned(size, rng)
    return _shaded(across, rng)


def constant(size: int, rng: np.random.Generator) -> Image:
    """Draw one grey: a covered lens, a camera without light."""
    return np.full((size, size), rng.integers(256), np.uint8)


def static(size: int, rng: np.random.Generator) -> Image:
    """Draw strong white noise, in grains of one to several pixels: a cable that is torn."""
    grains = max(2, round(size / rng.uniform(1, 4)))
    small = rng.random((grains, grains), np.float32)
    return _shaded(cv2.resize(small, (size, size), interpolation=cv2.INTER_NEAREST), rng, least=120)


def darkness(size: int, rng: np.random.Generator) -> Image:
    """Draw what a sensor sees where it sees nothing: even grey under its own noise, and under that of the light."""
    levels = np.full((size, size), rng.uniform(0, 160))
    if rng.random() < 0.5:
        photons = rng.uniform(0.1, 2)  # for each level
        levels = rng.poisson(levels * photons) / photons
    levels += rng.normal(0, rng.uniform(1, 20), levels.shape)
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def leak(size: int, rng: np.random.Generator) -> Image:
    """Draw a covered lens beside which light leaks in: a soft spot, under the noise of sensor and light."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    row, column = rng.uniform(-0.1, 1.1, 2) * size
    from_spot = np.hypot(y - row, x - column) / (rng.uniform(0.1, 0.6) * size)
    levels = rng.uniform(2, 60) + rng.uniform(20, 150) * np.exp(-(from_spot**2) / 2)
    photons = rng.uniform(0.1, 2)  # for each level
    levels = rng.poisson(levels * photons) / photons + rng.normal(0, rng.uniform(1, 10), levels.shape)
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def blobs(size: int, rng: np.random.Generator) -> Image:
    """Draw smooth islands of two greys: camouflage, a cow's hide."""
    return _shaded(np.clip(12 * (_noise(size, rng.uniform(0.03, 0.1) * size, rng)), -1, 1), rng)


def shapes(size: int, rng: np.random.Generator) -> Image:
    """Draw polygons, one over the other: packaging, a cluttered bench."""
    image = np.full((size, size), rng.integers(256), np.uint8)
    for _ in range(int(rng.integers(5, 30))):
        corners = rng.uniform(0, size, 2) + rng.uniform(0.05, 0.35) * size * rng.standard_normal(
            (rng.integers(3, 7), 2)
        )
        hull = cv2.convexHull(corners.astype(np.int32))
        cv2.fillConvexPoly(image, hull, int(rng.integers(256)), lineType=cv2.LINE_AA)
    return image


def cells(size: int, rng: np.random.Generator) -> Image:
    """Draw a Voronoi diagram: pebbles, cracked mud, foam."""
    first, second = _nearest_two(size, int(rng.integers(20, 200)), rng)
    return _shaded(np.clip(second - first, 0, rng.uniform(2, 12)), rng)


def strokes(size: int, rng: np.random.Generator) -> Image:
    """Draw short lines that nearly agree in direction: grass, fur, straw."""
    image = np.full((size, size), int(rng.integers(256)), np.uint8)
    main, spread = rng.uniform(0, math.pi), rng.uniform(0.05, 0.6)
    length, width = rng.uniform(0.05, 0.25) * size, int(rng.integers(1, 4))
    for _ in range(600):
        angle = rng.normal(main, spread)
        x, y = rng.uniform(-0.1, 1.1, 2) * size
        end = round(x + length * math.cos(angle)), round(y + length * math.sin(angle))
        cv2.line(image, (round(x), round(y)), end, int(rng.integers(256)), width, cv2.LINE_AA)
    return image


def grit(size: int, rng: np.random.Generator) -> Image:
    """Draw noise of one scale alone, neither finer nor coarser: sand, sandpaper, orange peel."""
    grain = rng.uniform(0.01, 0.06) * size
    rough = _noise(size, grain, rng)
    return _shaded(np.clip(rough - cv2.GaussianBlur(rough, (0, 0), grain), -2, 2), rng)


def ripples(size: int, rng: np.random.Generator) -> Image:
    """Draw waves that run through each other: water, moire."""
    waves = [np.sin(_turned(size, rng)[0] * (2 * math.pi / (rng.uniform(0.05, 0.3) * size))) for _ in range(5)]
    return _shaded(np.sum(waves, axis=0), rng)


def scales(size: int, rng: np.random.Generator) -> Image:
    """Draw rows of discs that cover the row before, each shaded: roof tiles, a fish's skin."""
    across, along = _turned(size, rng)
    pitch = rng.uniform(0.06, 0.2) * size
    row = np.floor(along / pitch * 2)
    in_row = np.hypot((across + row % 2 * pitch / 2) % pitch - pitch / 2, along - row * pitch / 2)
    return _shaded(in_row / pitch + rng.uniform(0, 0.5) * (in_row > 0.5 * pitch), rng)


def smoke(size: int, rng: np.random.Generator) -> Image:
    """Draw soft noise of several scales, the coarse the stronger: smoke, fog, a wall in bad light."""
    return _shaded(sum(math.sqrt(grain) * _noise(size, grain * size, rng) for grain in (0.02, 0.05, 0.12, 0.3)), rng)


def bricks(size: int, rng: np.random.Generator) -> Image:
    """Draw courses of bricks with mortar between them, each brick of its own grey."""
    height = rng.uniform(0.06, 0.2) * size
    width, joint = height * rng.uniform(1.5, 3), max(1.0, height * rng.uniform(0.06, 0.15))
    y, x = np.mgrid[:size, :size].astype(np.float32) + rng.uniform(0, size)
    row = np.floor(y / height)
    x = x + row % 2 * width / 2
    mortar = (y % height < joint) | (x % width < joint)
    greys = rng.normal(0, 0.25, (4096,))[((row * 61 + np.floor(x / width)) % 4096).astype(np.int64)]
    grain = rng.uniform(0, 0.3) * rng.standard_normal((size, size))
    return _shaded(np.where(mortar, rng.choice([-1.5, 1.5]), greys) + grain, rng)


def weave(size: int, rng: np.random.Generator) -> Image:
    """Draw threads that go over and under each other: cloth, wire mesh."""
    across, along = _turned(size, rng)
    pitch = rng.uniform(0.03, 0.12) * size
    over = (np.floor(across / pitch) + np.floor(along / pitch)) % 2 == 0
    warp, weft = (np.abs(np.sin(math.pi * axis / pitch)) for axis in (across, along))
    return _shaded(np.where(over, warp, weft * rng.uniform(0.5, 1)), rng)


def clouds(size: int, rng: np.random.Generator) -> Image:
    """Draw noise whose amplitude falls with the frequency, as in natural scenes (Field 1987): 1/f to 1/f^2."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, np.newaxis], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency ** rng.uniform(1, 2)
    return _shaded(np.fft.irfft2(spectrum, (size, size)), rng)


def rings(size: int, rng: np.random.Generator) -> Image:
    """Draw rings about a point, bent a little: the end of a log, ripples."""
    centre = rng.uniform(-0.3, 1.3, 2) * size
    y, x = np.mgrid[:size, :size].astype(np.float32)
    bent = np.hypot(x - centre[0], y - centre[1]) + 0.03 * size * _noise(size, 0.1 * size, rng)
    return _shaded(np.sin(bent * (2 * math.pi / (rng.uniform(0.04, 0.15) * size))), rng)


def marble(size: int, rng: np.random.Generator) -> Image:
    """Draw waves bent by turbulence (Perlin 1985): marble, the grain of wood."""
    across, _ = _turned(size, rng)
    turbulence = sum(scale * np.abs(_noise(size, scale * 0.15 * size, rng)) for scale in (1.0, 0.5, 0.25, 0.12))
    period = rng.uniform(0.1, 0.4) * size
    return _shaded(np.sin(2 * math.pi * across / period + rng.uniform(2, 6) * turbulence), rng)


def leaves(size: int, rng: np.random.Generator) -> Image:
    """Draw dead leaves: discs that cover each other, their sizes as in natural scenes (Lee et al. 2001)."""
    image = np.zeros((size, size), np.uint8)
    smallest, largest = 0.015 * size, 0.3 * size
    # Density of radii ~ r^-3 between the two, by inverting its distribution.
    for share in rng.random(1500):
        radius = 1 / math.sqrt(share / largest**2 + (1 - share) / smallest**2)
        centre = rng.integers(0, size, 2).tolist()
        cv2.circle(image, centre, round(radius), int(rng.integers(256)), thickness=-1, lineType=cv2.LINE_AA)
    return image


def text(size: int, rng: np.random.Generator) -> Image:
    """Draw lines of characters: a label, a page."""
    paper, ink = rng.permutation([int(rng.integers(0, 90)), int(rng.integers(150, 256))]).tolist()
    image = np.full((size, size), paper, np.uint8)
    scale = rng.uniform(0.3, 1.2) * size / 200
    y = 0
    while y < size + 30:
        y += round(30 * scale) + 2
        line = "".join(map(chr, rng.integers(33, 127, 60)))
        place = int(rng.integers(-20, 1)), y
        cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, lineType=cv2.LINE_AA)
    return image


CHOOSING: Mapping[str, Draw] = {
    draw.__name__: draw
    for draw in (
        *(checkers, stripes, dots, gradient, constant, static, darkness, blobs, shapes, cells),
        *(strokes, grit, ripples, scales, smoke, leak),
    )
}
"""Families for choosing how novelty is measured, beside the frames that validate a model."""

JUDGING: Mapping[str, Draw] = {draw.__name__: draw for draw in (bricks, weave, clouds, rings, marble, leaves, text)}
"""Families for judging it afterwards, beside the frames that test a model."""


def _turned(size: int, rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Return two axes at right angles, in pixels, turned and moved at random."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    moved = rng.uniform(0, size, 2).astype(np.float32)
    return x * cosine + y * sine + moved[0], y * cosine - x * sine + moved[1]


def _shaded(pattern: npt.ArrayLike, rng: np.random.Generator, least: int = 40) -> Image:
    """Spread a pattern of any range between two greys that differ by at least *least* levels."""
    levels = np.asarray(pattern, np.float32)
    low, high = float(levels.min()), float(levels.max())
    dark = rng.uniform(0, 255 - least)
    light = rng.uniform(dark + least, 255)
    greys: Image = np.rint(dark + (levels - low) * ((light - dark) / max(high - low, 1e-6))).astype(np.uint8)
    return greys


def _noise(size: int, grain: float, rng: np.random.Generator) -> Levels:
    """Return smooth noise of deviation 1, whose grains are about *grain* pixels."""
    rough = rng.standard_normal((size, size), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(rough, (0, 0), max(0.5, grain / 2)), np.float32)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def _nearest_two(size: int, count: int, rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Return each pixel's distances to the nearest and the second nearest of *count* random points."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    points = rng.uniform(0, size, (count, 2)).astype(np.float32)
    distances, _ = cKDTree(points).query(np.stack([x, y], axis=-1), k=2)
    return distances[..., 0].astype(np.float32), distances[..., 1].astype(np.float32)
