"""Pictures of surfaces that are none of the product, for novelty to learn from, as a line would show them.

What a model has seen to be other tells it more of what is other than the product alone does, also of surfaces that it
has not seen (outlier exposure: Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

import numpy as np

from linecore.inspection import Image
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.stress import CONDITIONS
from linecore_models.textures import CHOOSING, draw_textures

AS_DRAWN = 0.25
"""Share of the pictures that come under no condition of a line."""

TIMES = 20
"""That one picture is shown under line conditions, at most: beyond that it says the same again."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlier:
    """A picture of none of the product."""

    families: frozenset[str]  # of drawn textures, or the folders, whose surfaces are to be seen on it
    image: Image  # uint8, HxW


def draw_outliers(each: int, blends: int, size: int, rng: np.random.Generator) -> tuple[Outlier, ...]:
    """Draw *each* pictures of every family of `CHOOSING`, and *blends* of two, most under a condition of a line.

    Blends show one through the other: with them, a family that was not shown is told better.
    """
    drawn = draw_textures(CHOOSING, each, size, rng)
    single = [Outlier(frozenset({family}), _on_a_line(image, rng)) for family, of in drawn.items() for image in of]
    return (*single, *(_blend(rng.permutation(list(drawn))[:2].tolist(), drawn, rng) for _ in range(blends)))


def outliers_in(images: Sequence[LabelledImage], total: int, rng: np.random.Generator) -> Iterator[Outlier]:
    """Read pictures of other surfaces, each as many times as makes *total* of them, at least once and at most `TIMES`.

    Raises:
        ConfigError: a file is no image that can be read.
    """
    times = min(TIMES, max(1, total // max(1, len(images))))
    for image in images:
        pixels = load_image(image)
        for _ in range(times):
            # With a slash, so that it is no family of drawn ones, whatever the folder is called.
            yield Outlier(frozenset({f"{image.source}/"}), _on_a_line(pixels, rng))


def chosen_evenly(images: Sequence[LabelledImage], most: int, rng: np.random.Generator) -> tuple[LabelledImage, ...]:
    """Return at most *most* of the images, as many from each folder as can be: one must not drown the others."""
    folders: dict[str, list[LabelledImage]] = {}
    for index in rng.permutation(len(images)):
        folders.setdefault(images[index].source, []).append(images[index])
    in_turn = chain.from_iterable(zip_longest(*folders.values()))
    return tuple(islice((image for image in in_turn if image is not None), most))


def _blend(families: list[str], drawn: dict[str, Image], rng: np.random.Generator) -> Outlier:
    first, second = (drawn[family][rng.integers(len(drawn[family]))].astype(np.float32) for family in families)
    share = rng.uniform(0.2, 0.8)
    blended: Image = np.rint(share * first + (1 - share) * second).astype(np.uint8)
    return Outlier(frozenset(families), _on_a_line(blended, rng))


def _on_a_line(image: Image, rng: np.random.Generator) -> Image:
    if rng.random() < AS_DRAWN:
        return image
    return CONDITIONS[rng.integers(len(CONDITIONS))].apply(image, rng)
