"""What a training picture may look like today: where it lies, how it is lit, what the camera adds.

Everything happens at the picture's own size, before it is resized for the model, as on a line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from linecore.inspection import Image
from linecore_models import conditions as line

Masks = Mapping[int, Image]
"""Index of a label -> uint8 HxW, 255 where its boxes lie and 0 elsewhere."""

Draw = Callable[[Image, np.random.Generator], Image]
"""Changes a picture by a severity that it draws."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a training picture may be changed; every change is drawn evenly between its bounds."""

    turned: float = 0.45  # share that is turned by a right angle; a picture that is not square only by 180 degrees
    flip: bool = True  # left to right and top to bottom, each for half of the pictures
    moved: float = 0.75  # share that is shifted, scaled and turned a little
    shift: float = 0.16  # of the side, each way
    larger: float = 1.45  # times, at most
    smaller: float = 1.6  # times, at most: small defects are what is overlooked
    rotation: float = 16.0  # degrees, each way, for 60 % of those that are moved
    line: float = 1.0  # how often each link of CHAIN does something, times its own chance

    def __call__(self, image: Image, masks: Masks, rng: np.random.Generator) -> tuple[Image, dict[int, Image]]:
        """Return a changed copy of *image* (uint8, HxW), and of the masks where what they mask has gone to.

        What moves in from outside mirrors the inside, in the picture and in the masks.
        """
        image, lying = self._lain(image, masks, rng)
        for link in CHAIN:
            if rng.random() < self.line * link.chance:
                image = link.draws[int(rng.choice(len(link.draws), p=link.shares))](image, rng)
        return image, lying

    def _lain(self, image: Image, masks: Masks, rng: np.random.Generator) -> tuple[Image, dict[int, Image]]:
        """Return the picture and the masks as if the product lay there in another way."""
        height, width = image.shape
        quarters = int(rng.integers(1, 4)) if rng.random() < self.turned else 0
        if height != width:
            quarters = quarters // 2 * 2
        sides, upside = (bool(rng.random() < 0.5) and self.flip for _ in range(2))
        degrees = rng.uniform(-self.rotation, self.rotation) if rng.random() < 0.6 else 0.0
        factor = _log_uniform(rng, 1 / self.smaller, self.larger)
        to_side, down = rng.uniform(-self.shift, self.shift, 2)
        move = rng.random() < self.moved
        matrix = line.about_middle(image.shape, degrees, factor)
        matrix[:, 2] += to_side * width, down * height

        def lain(picture: Image) -> Image:
            turned = line.mirror(line.quarter_turns(picture, quarters), sides=sides, upside=upside)
            return line.warp(turned, matrix) if move else turned

        return lain(image), {label: lain(mask) for label, mask in masks.items()}


NO_AUGMENTATION = Augmentation(turned=0, flip=False, moved=0, line=0)

AS_IT_LIES = Augmentation(turned=0, flip=False, moved=0)
"""Only what the line does to the picture, not how the product lies."""


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _defocus(image: Image, rng: np.random.Generator) -> Image:
    return line.defocus(image, rng.uniform(0.4, 2.4))


def _motion_blur(image: Image, rng: np.random.Generator) -> Image:
    # A camera mostly stands square to the strip, which then moves along its rows or its columns.
    angle = rng.uniform(0, 180) if rng.random() < 0.5 else float(rng.choice((0, 90)))
    return line.motion_blur(image, rng.uniform(3, 12), angle)


def _lower_resolution(image: Image, rng: np.random.Generator) -> Image:
    return line.lower_resolution(image, rng.uniform(0.4, 0.9))


def _dust(image: Image, rng: np.random.Generator) -> Image:
    return line.dust(image, int(rng.integers(1, 45)), rng)


def _brightness(image: Image, rng: np.random.Generator) -> Image:
    return line.brightness(image, rng.uniform(-90, 90))


def _contrast(image: Image, rng: np.random.Generator) -> Image:
    return line.contrast(image, _log_uniform(rng, 0.33, 2.5))


def _gamma(image: Image, rng: np.random.Generator) -> Image:
    return line.gamma(image, _log_uniform(rng, 0.42, 2.4))


def _light_ramp(image: Image, rng: np.random.Generator) -> Image:
    return line.light_ramp(image, rng.uniform(10, 130), rng.uniform(0, 360))


def _vignette(image: Image, rng: np.random.Generator) -> Image:
    return line.vignette(image, rng.uniform(0.1, 0.8))


def _gaussian_noise(image: Image, rng: np.random.Generator) -> Image:
    return line.gaussian_noise(image, rng.uniform(2, 24), rng)


def _shot_noise(image: Image, rng: np.random.Generator) -> Image:
    return line.shot_noise(image, _log_uniform(rng, 25, 400), rng)


def _salt_and_pepper(image: Image, rng: np.random.Generator) -> Image:
    return line.salt_and_pepper(image, rng.uniform(0.001, 0.022), rng)


def _jpeg(image: Image, rng: np.random.Generator) -> Image:
    return line.jpeg(image, int(rng.integers(10, 60)))


@dataclass(frozen=True, slots=True)
class Link:
    """A place between the lens and the file where one of several things may happen to a picture, each at its share."""

    chance: float  # that anything happens
    shared: tuple[tuple[Draw, int], ...]  # what, and how often beside the others

    @property
    def draws(self) -> tuple[Draw, ...]:
        """What may happen."""
        return tuple(draw for draw, _ in self.shared)

    @property
    def shares(self) -> tuple[float, ...]:
        """How often each of them does, when anything does."""
        whole = sum(share for _, share in self.shared)
        return tuple(share / whole for _, share in self.shared)


CHAIN = (
    Link(0.4, ((_defocus, 2), (_motion_blur, 4), (_lower_resolution, 1), (_dust, 1))),
    Link(0.5, ((_brightness, 4), (_contrast, 3), (_gamma, 2), (_light_ramp, 1), (_vignette, 1))),
    Link(0.3, ((_gaussian_noise, 1), (_shot_noise, 2), (_salt_and_pepper, 1))),
    Link(0.2, ((_jpeg, 1),)),
)
"""The links from the lens to the file: optics, light, sensor, compression. At most one thing of each happens.

What cost the model most on validation frames happens most often.
"""
