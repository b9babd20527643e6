"""The six defects of the NEU database, one function each.

Each draws one instance on a small canvas of its own: `change` is what it does to the brightness, as a
fraction of it (-0.5 halves, 1.0 doubles), and `cover` (0..1) is where it is. Lengths are in pixels of a frame whose
shorter side is 200, times *scale*.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray
from linecore_plugins.steel.texture import SplineNoise

Points = FloatArray
"""float32 (n, 2): x and y."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a defect is drawn on."""

    width: int
    height: int
    level: float  # mean grey
    grain: float  # standard deviation, as a fraction of the level
    lean: float = 0.5  # 0..1, what the defects of one frame have in common: how scratches run

    @property
    def scale(self) -> float:
        """Pixels a unit of length."""
        return min(self.width, self.height) / 200

    def contrast(self, rng: np.random.Generator, low: float, high: float, over_grain: float) -> float:
        """Return a contrast from *low* to *high*, but at least *over_grain* times the grain, so that it is seen."""
        return min(max(rng.uniform(low, high), over_grain * self.grain), 0.85)


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One instance of a defect: two float32 arrays of one shape."""

    change: FloatArray
    cover: FloatArray


def _canvas(height: float, width: float) -> tuple[FloatArray, FloatArray]:
    """Return the rows (h, 1) and columns (1, w) of a canvas, from its centre."""
    h, w = round(height), round(width)
    y = np.arange(h, dtype=np.float32)[:, None] - (h - 1) / 2
    x = np.arange(w, dtype=np.float32)[None, :] - (w - 1) / 2
    return y, x


def _noise(rng: np.random.Generator, shape: tuple[int, int], cell_x: float, cell_y: float) -> FloatArray:
    return SplineNoise(rng, shape[1], cell_x, cell_y).roll(shape[0])


def _wander(rng: np.random.Generator, length: int, cell: float) -> FloatArray:
    """Return smooth noise along a line, (length, 1)."""
    return SplineNoise(rng, 1, 1, cell).roll(length)


def _region(rng: np.random.Generator, height: float, width: float) -> FloatArray:
    """Return a soft area of several lobes, 0..1, that fades out before the edge of its canvas."""
    y, x = _canvas(height, width)
    field = np.zeros((y.size, x.size), np.float32)
    for _ in range(rng.integers(3, 7)):
        ry, rx = height * rng.uniform(0.2, 0.34), width * rng.uniform(0.2, 0.34)
        cy, cx = rng.uniform(-0.24, 0.24) * height, rng.uniform(-0.24, 0.24) * width
        field = np.maximum(field, np.exp(-0.5 * (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)))
    field += 0.08 * _noise(rng, field.shape, max(width / 8, 2), max(height / 8, 2))
    out = (np.abs(2 * y / height) ** 2.5 + np.abs(2 * x / width) ** 2.5) ** 0.4  # 1 at the edge, an oval with corners
    region: FloatArray = np.clip((field - 0.3) / 0.5, 0, 1) * np.clip((1 - out) / 0.2, 0, 1)
    return region


def _scatter(rng: np.random.Generator, region: FloatArray, count: int) -> Points:
    """Return about *count* points, denser where *region* is higher, and none where it is low."""
    chance = region.ravel() ** 2
    cells = rng.choice(chance.size, count, p=chance / chance.sum(dtype=np.float64))
    y, x = np.divmod(cells, region.shape[1])
    return np.stack((x, y), axis=1).astype(np.float32)


def _sigmoid(t: FloatArray) -> FloatArray:
    result: FloatArray = 1 / (1 + np.exp(-np.clip(t, -30, 30, dtype=np.float32)))
    return result


def _blur(image: npt.NDArray[np.floating], sigma: float, sigma_y: float = 0.0) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=sigma_y), np.float32)


def _spots(rng: np.random.Generator, shape: tuple[int, int], points: Points, axes: Points, tilt: float) -> FloatArray:
    """Return soft ellipses with half *axes* around *points*, turned by about *tilt* degrees, 0.35..1 deep."""
    spots = np.zeros(shape, np.uint8)
    depths = np.sort(rng.integers(90, 256, len(points)))  # the deeper over the shallower
    angles = rng.normal(tilt, 8, len(points))
    centres, halves = np.round(points * 16).astype(int), np.maximum(np.round(axes * 16), 6).astype(int)
    for centre, half, angle, depth in zip(centres, halves, angles, depths, strict=True):
        place = centre.tolist(), half.tolist(), float(angle)
        cv2.ellipse(spots, *place, 0, 360, int(depth), cv2.FILLED, cv2.LINE_AA, shift=4)
    return _blur(spots.astype(np.float32) / 255, 0.6)


def _spindle(
    rng: np.random.Generator, y: FloatArray, x: FloatArray, half_length: float, half_width: float
) -> FloatArray:
    """Return an upright pointed streak around the centre, 0..1, with ragged sides."""
    t = np.clip(np.abs(y) / half_length, 0, 1)
    rough = 0.3 * _wander(rng, y.size, max(half_length / 4, 4)) + 0.15 * _wander(rng, y.size, 2)
    side = half_width * (1 - t**2) ** 0.7 * (1 + rough)
    middle = 0.6 * half_width * _wander(rng, y.size, max(half_length, 14))
    soft = max(0.3 * half_width, 0.6)
    ends = np.clip((half_length - np.abs(y)) / 5, 0, 1)
    streak = _sigmoid((side - np.abs(x - middle)) / soft) * ends
    return streak.astype(np.float32, copy=False)


def inclusion(rng: np.random.Generator, ground: Ground) -> Mark:
    """Dark streaks along the rolling direction, a large one and some small ones: slag rolled out in the steel."""
    s = ground.scale
    length, half_width = rng.uniform(36, 130) * s, rng.uniform(1.9, 5.8) * s
    y, x = _canvas(length + 8, 2 * rng.uniform(8, 18) * s + 4 * half_width)
    cover = _spindle(rng, y, x - rng.uniform(-3, 3) * s, length / 2, half_width)
    for _ in range(rng.integers(1, 8)):
        half = length * rng.uniform(0.08, 0.25)
        across = rng.uniform(-0.4, 0.4) * x.size
        along = rng.uniform(-1, 1) * (length / 2 - half)
        small = _spindle(rng, y - along, x - across, half, half_width * rng.uniform(0.25, 0.6))
        cover = np.maximum(cover, small * rng.uniform(0.6, 1))
    fibres = 1 + 0.15 * _noise(rng, cover.shape, 2, 14 * s)
    return Mark(-ground.contrast(rng, 0.22, 0.5, 4.0) * cover * fibres, cover)


def patches(rng: np.random.Generator, ground: Ground) -> Mark:
    """A dark blot of several lobes with a frayed edge, sometimes in a paler shade of itself."""
    s = ground.scale
    h, w = rng.uniform(44, 128) * s, rng.uniform(38, 88) * s
    y, x = _canvas(h + 16, w + 16)
    field = np.zeros((y.size, x.size), np.float32)
    for _ in range(rng.integers(2, 7)):
        ry, rx = h * rng.uniform(0.15, 0.32), w * rng.uniform(0.17, 0.34)
        cy, cx = rng.uniform(-1, 1) * (h / 2 - ry), rng.uniform(-1, 1) * (w / 2 - rx)
        field += np.exp(-1.4 * (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2))
    field += 0.12 * _noise(rng, field.shape, 11 * s, 13 * s) + 0.05 * _noise(rng, field.shape, 3, 4)
    inside = np.clip(np.minimum(h / 2 + 7 - np.abs(y), w / 2 + 7 - np.abs(x)) / 8, 0, 1)
    edge = rng.uniform(0.05, 0.2)
    cover = _sigmoid((field - 0.45) / edge)
    shade = rng.uniform(0, 0.35) * _sigmoid((field - 0.2) / edge)
    cover = np.maximum(cover, shade) * inside
    cloud = 1 + 0.08 * _noise(rng, field.shape, 14 * s, 14 * s)
    return Mark(-ground.contrast(rng, 0.32, 0.66, 2.5) * cover * cloud, cover)


def pitted_surface(rng: np.random.Generator, ground: Ground) -> Mark:
    """Many small dark pits, fine and dense or coarse and few, drawn out a little along the rolling direction."""
    s = ground.scale
    region = _region(rng, rng.uniform(80, 160) * s, rng.uniform(70, 150) * s)
    shape = (region.shape[0], region.shape[1])
    rows = np.exp(0.4 * _noise(rng, shape, 5 * s, 50 * s))  # pits tend to lie in rows along the strip
    fine = rng.random() < 0.6
    radius = rng.uniform(0.6, 0.95) if fine else rng.uniform(1.0, 1.9)
    spacing = rng.uniform(3.0, 4.5) if fine else rng.uniform(4.5, 8)
    points = _scatter(rng, np.sqrt(region) * rows, 12 + int(region.sum() / (s * spacing) ** 2))
    across = radius * np.exp(rng.normal(0, 0.25 if fine else 0.4, len(points))) * s
    axes = np.stack((across, across * rng.uniform(1.0, 2.2, len(points))), axis=1).astype(np.float32)
    pits = _blur(_spots(rng, shape, points, axes, 0), rng.uniform(0.3, 0.7))
    sheen = rng.uniform(-0.08, 0.15) * region * (0.7 + 0.3 * _noise(rng, shape, 8 * s, 16 * s))
    return Mark(sheen - ground.contrast(rng, 0.3, 0.6, 5.0) * pits, pits)


def rolled_in_scale(rng: np.random.Generator, ground: Ground) -> Mark:
    """Stacks of short dark flakes that lie across the rolling direction, with pale rims, on a cloudy ground."""
    s = ground.scale
    region = _region(rng, rng.uniform(60, 145) * s, rng.uniform(60, 145) * s)
    shape = (region.shape[0], region.shape[1])
    stacks = _scatter(rng, region, int(rng.integers(9, 22)))
    sizes = rng.integers(1, 7, len(stacks))
    points = np.repeat(stacks, sizes, axis=0) + rng.normal(0, 1, (sizes.sum(), 2)) * (4.0 * s, 3.6 * s)
    y, x = np.clip(points[:, 1], 0, shape[0] - 1).astype(int), np.clip(points[:, 0], 0, shape[1] - 1).astype(int)
    points = points[region[y, x] > 0.15].astype(np.float32)
    axes = (np.exp(rng.normal(0, 0.35, (len(points), 2))) * (3.3 * s, 1.0 * s)).astype(np.float32)
    flakes = _blur(_spots(rng, shape, points, axes, rng.uniform(-15, 15)), 0.9 * s, 0.4 * s)
    flakes *= np.clip(1 + 0.25 * _noise(rng, shape, 3, 2), 0.3, 1.5)
    rim = 0.35 * _blur(flakes, 3.0 * s)
    cloud = 0.06 * _noise(rng, shape, 9 * s, 6 * s) * np.minimum(6 * _blur(flakes, 6 * s), 1)
    return Mark(-ground.contrast(rng, 0.28, 0.5, 5.5) * (1.2 * flakes - rim) + cloud, flakes)


def crazing(rng: np.random.Generator, ground: Ground) -> Mark:
    """A net of fine winding cracks, mostly across the rolling direction, in a roughened area."""
    s = ground.scale
    region = _region(rng, rng.uniform(85, 150) * s, rng.uniform(95, 150) * s)
    shape = (region.shape[0], region.shape[1])
    starts = _scatter(rng, region, int(region.sum() / s**2 / rng.uniform(240, 480)) + 5)
    heading = rng.uniform(-0.4, 0.4)
    cracks = np.zeros(shape, np.uint8)
    for start in starts:
        steps = int(rng.integers(6, 22))
        course = heading + rng.normal(0, 0.45) + np.pi * rng.integers(0, 2)
        turn = course + np.cumsum(rng.normal(0, 0.22, steps)) + rng.normal(0, 0.75, steps)
        stride = rng.uniform(1.2, 3.2, steps) * s
        path = start + np.cumsum(stride[:, None] * np.stack((np.cos(turn), np.sin(turn)), axis=1), axis=0)
        points = np.round(path * 16).astype(np.int32)
        depths = np.clip(170 + 55 * _wander(rng, steps, 3)[:, 0], 40, 255)
        for a, b, depth in zip(points[:-1], points[1:], depths[1:], strict=True):
            thick = max(1, round(s)) + int(rng.random() < 0.08)
            cv2.line(cracks, a.tolist(), b.tolist(), int(depth), thick, cv2.LINE_AA, shift=4)
    crumbs = _scatter(rng, region, int(rng.integers(1, 8)))
    sizes = (np.exp(rng.normal(0, 0.4, (len(crumbs), 2))) * 1.4 * s).astype(np.float32)
    lines = _blur(cracks.astype(np.float32) / 255, 0.5)
    net: FloatArray = np.maximum(lines, _spots(rng, shape, crumbs, sizes, 0))
    net *= np.clip(region * 4, 0, 1)
    rough = 0.08 * _noise(rng, shape, 1.2, 1.2) + 0.04 * _noise(rng, shape, 5 * s, 5 * s) - 0.05
    change = rough * region - ground.contrast(rng, 0.3, 0.55, 6.0) * net
    return Mark(change, net)


def scratches(rng: np.random.Generator, ground: Ground) -> Mark:
    """Bright straight lines, single or in a bundle, along the rolling direction, sometimes across; or a wide gouge."""
    s = ground.scale
    across = ground.lean < 0.22
    length = min(rng.uniform(60, 190) * s, (ground.width if across else ground.height) - 6)
    gouge = rng.random() < 0.1
    half_width = rng.uniform(3, 7) * s if gouge else rng.uniform(1, 9) * s
    slope = 0.45 * (ground.lean - 0.6) if rng.random() < 0.3 else rng.uniform(-0.02, 0.02)
    y, x = _canvas(length, 2 * half_width + abs(slope) * length + 8)
    x = x - slope * y - 0.5 * s * _wander(rng, y.size, length / 3)
    ends = np.clip((length / 2 - np.abs(y)) / (rng.uniform(0.05, 0.35) * length), 0, 1)
    light = _gouge(rng, x, half_width, s) if gouge else _bundle(rng, x, half_width, s)
    light *= ends
    glow = max(rng.uniform(60, 170) / ground.level, 7 * ground.grain)
    dark = 0.12 if ground.level > 150 else rng.choice((0.0, 0.08))  # a bright line is lost on a bright ground
    shadow = 4 * dark * _blur(light, 3 * s)
    change, cover = glow * light - shadow, np.clip(1.6 * light, 0, 1)
    return Mark(change.T, cover.T) if across else Mark(change, cover)


def _bundle(rng: np.random.Generator, x: FloatArray, half_width: float, s: float) -> FloatArray:
    """Return one to five parallel lines around x = 0, brighter here and there."""
    length = len(x)
    rows = np.linspace(0, 1, length, dtype=np.float32)[:, None]
    light = np.zeros(x.shape, np.float32)
    for line in range(rng.integers(1, 6)):
        head, tail = np.sort(rng.uniform(0, 1, 2)) if line else (-0.5, 1.5)
        run = np.clip(np.minimum(rows - head, tail - rows) / 0.15, 0, 1)
        sparkle = 0.75 + 0.25 * _wander(rng, length, 16 * s) + 0.2 * _wander(rng, length, 2)
        profile = np.exp(-0.5 * ((x - rng.uniform(-1, 1) * half_width) / (rng.uniform(0.5, 1.4) * s)) ** 2)
        light = np.maximum(light, profile * run * np.clip(sparkle, 0.15, 1.3) * rng.uniform(0.5 if line else 0.85, 1))
    return light


def _gouge(rng: np.random.Generator, x: FloatArray, half_width: float, s: float) -> FloatArray:
    """Return a wide band with a torn ground and bright ridges."""
    side = half_width * (1 + 0.1 * _wander(rng, len(x), 9 * s))
    torn = 0.55 + 0.12 * _noise(rng, (x.shape[0], x.shape[1]), 2 * s, 5 * s) + 0.1 * _wander(rng, len(x), 3 * s)
    ridges = 0.4 * np.exp(-0.5 * ((np.abs(x) - side) / (0.8 * s)) ** 2)
    band: FloatArray = _sigmoid((side - np.abs(x)) / 0.7) * torn + ridges
    return band
