"""Hot-rolled steel, drawn: one endless strip, clean or with one of the six defects of the NEU database.

No picture is copied: every pixel comes from a random generator, so the frames may go anywhere, and the truth about each
is known. Two strips of one seed are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from linecore.inspection import FloatArray, Image, Truth
from linecore_plugins.steel.defects import DRAWERS, draw_defects
from linecore_plugins.steel.marks import Ground
from linecore_plugins.steel.texture import Grain, SplineNoise, grain_kernel

CLEAN = "ok"
DEFECTS = tuple(DRAWERS)
LABELS = (CLEAN, *DEFECTS)


@dataclass(frozen=True, slots=True)
class Finish:
    """How the surface of one coil looks. Grey levels are 0..255; the amplitudes are fractions of the level."""

    level: float  # mean grey
    tilt: float  # the light falls off from one side to the other
    bow: float  # ... and from the middle to both sides
    bands: float  # broad soft bands along the rolling direction
    streaks: float  # fine ones
    mottle: float  # cloudy scale
    drift: float  # slow change along the coil
    chatter: float  # faint marks across the strip, from vibrating rolls
    chatter_period: float  # pixels
    grain: float
    grain_x: float  # pixels
    grain_y: float
    brush: float  # weight of oblique brush strokes in the grain
    brush_slope: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the finish of a new coil: two in three are smooth and rather dark, the others rough and cloudy.

        So is the good steel between the defects of NEU. Bright and evenly grainy is what NEU calls a pitted surface:
        clean steel that was drawn like that could not be told from it.
        """
        uniform = rng.uniform
        rough = rng.random() < 1 / 3
        return cls(
            level=uniform(80, 150) if rough else uniform(50, 135),
            tilt=uniform(-0.25, 0.25),
            bow=uniform(-0.05, 0.2),
            bands=uniform(0.02, 0.09),
            streaks=uniform(0.004, 0.025),
            mottle=uniform(0.045, 0.065) if rough else uniform(0.01, 0.03),
            drift=uniform(0.02, 0.08),
            chatter=uniform(0.0, 0.012),
            chatter_period=uniform(18, 90),
            grain=uniform(0.065, 0.095) if rough else uniform(0.014, 0.032),
            grain_x=uniform(0.55, 0.95),
            grain_y=uniform(0.55, 1.0),
            brush=uniform(0.2, 1.2) if rng.random() < 0.4 else 0.0,
            brush_slope=uniform(-0.5, 0.5),
        )


class Strip:
    """The clean surface of one coil, unrolled as far as anyone likes in bounded memory."""

    def __init__(self, rng: np.random.Generator, width: int, finish: Finish) -> None:
        self.finish = finish
        across = np.linspace(-1, 1, width, dtype=np.float32)
        self._light = finish.level * (1 + finish.tilt * across - finish.bow * (across**2 - 1 / 3))
        self._bands = SplineNoise(rng, width, width / 7, 900)
        self._streaks = SplineNoise(rng, width, 2.5, 160)
        self._clouds = SplineNoise(rng, width, 22, 30)
        self._flecks = SplineNoise(rng, width, 6, 8)
        self._drift = SplineNoise(rng, 1, 1, 500)
        self._chatter = rng.uniform(0, 2 * math.pi)  # phase of the next row
        kernel = grain_kernel(finish.grain_x, finish.grain_y, finish.brush, finish.brush_slope)
        self._grain = Grain(rng, width, kernel)

    def roll(self, height: int) -> FloatArray:
        """Return the next *height* rows in grey levels, float32 (height, width), not yet clipped to 0..255."""
        finish = self.finish
        step = 2 * math.pi / finish.chatter_period
        phase = self._chatter + step * np.arange(height, dtype=np.float32)
        self._chatter = (self._chatter + step * height) % (2 * math.pi)
        along = 1 + finish.drift * self._drift.roll(height) + finish.chatter * np.sin(phase)[:, None]
        surface = finish.bands * self._bands.roll(height)
        surface += finish.streaks * self._streaks.roll(height)
        surface += finish.mottle * self._clouds.roll(height)
        surface += 0.4 * finish.mottle * self._flecks.roll(height)
        surface += finish.grain * self._grain.roll(height)
        surface += along
        surface *= self._light
        return _knee(surface)


def _knee(surface: FloatArray) -> FloatArray:
    """Return *surface* with its highlights compressed, as cameras do, so that a bright strip keeps its texture."""
    over = np.maximum(surface - 180, 0)
    result: FloatArray = surface - over + 45 * (1 - np.exp(over / -45))
    return result


@dataclass(frozen=True, slots=True, eq=False)
class SteelFrame:
    """One frame of the strip and the truth about it."""

    image: Image  # uint8 HxW
    truth: Truth
    coil: int  # counts from 1
    position: int  # frames from the head of the coil


def roll_steel(
    rng: np.random.Generator, labels: Iterable[str], *, width: int = 200, height: int = 200, coil_frames: int = 100
) -> Iterator[SteelFrame]:
    """Yield consecutive frames of the strip, one for each of *labels* ("ok", or a defect), coil after coil.

    The last row of a frame meets the first row of the next one of the same coil. What is drawn on one frame does not
    depend on what was drawn on the frames before it.
    """
    for index, label in enumerate(labels):
        coil, position = divmod(index, coil_frames)
        if position == 0:
            coil_rng, defect_rng = rng.spawn(2)
            finish = Finish.draw(coil_rng)
            ground = Ground(width, height, finish.level, finish.grain)
            strip = Strip(coil_rng, width, finish)
        surface = strip.roll(height)
        [frame_rng] = defect_rng.spawn(1)
        boxes = () if label == CLEAN else draw_defects(frame_rng, surface, label, ground)
        image: Image = np.clip(surface + 0.5, 0, 255).astype(np.uint8)
        yield SteelFrame(image, Truth(label, boxes), coil + 1, position)
