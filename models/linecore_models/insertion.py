"""Whether the pixels that a heat map shows are those that the answer rests on: insertion and deletion.

Petsiuk et al. 2018 (https://arxiv.org/abs/1806.07421): hide the hottest pixels first, and a faithful map makes the
label's probability fall at once; show the hottest first, and it rises at once. Hidden pixels are the image's mean for
deletion, a blurred image for insertion, as in the paper. On a texture nearly any order of pixels works somewhat, so the
figures mean little by themselves: they come with those of a random map of the same cells, and count by the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image
from linecore_models.answers import Ask

STEPS = 16
BLUR = 0.08  # of the square's side: no texture is left


@dataclass(frozen=True, slots=True)
class Ablation:
    """Areas under the curves of the label's probability over the share of pixels shown or hidden: means over images."""

    images: int
    insertion: float  # higher is better
    deletion: float  # lower is better
    random_insertion: float
    random_deletion: float

    @property
    def insertion_gap(self) -> float:
        """How much sooner the label is seen than with random pixels: positive for a faithful map."""
        return self.insertion - self.random_insertion

    @property
    def deletion_gap(self) -> float:
        """How much sooner the label is lost than with random pixels: positive for a faithful map."""
        return self.random_deletion - self.deletion


def measure_ablation(
    squares: Image,
    class_maps: FloatArray,
    labels: Sequence[int],
    answer: Ask,
    rng: np.random.Generator,
    *,
    steps: int = STEPS,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> Ablation:
    """Measure insertion and deletion on *squares* (uint8, N x size x size), of which there must be one at least.

    *class_maps* (N x h x w) are those of the *labels* (indices) that are explained. The model answers 4 x (*steps* + 1)
    squares for each image, so a sample of the images will do. *rng* draws the random maps; *watch* is told how many of
    how many images are done.
    """
    areas = np.empty((len(squares), 4))
    for number, (square, class_map, label) in enumerate(zip(squares, class_maps, labels, strict=True)):
        watch(number, len(squares))
        noise = rng.standard_normal(class_map.shape).astype(np.float32)
        frames = [*_frames(square, class_map, steps), *_frames(square, noise, steps)]
        curves = answer(np.concatenate(frames)).scores[:, label].reshape(4, steps + 1)
        areas[number] = [area_under(curve) for curve in curves]
    watch(len(squares), len(squares))
    insertion, deletion, random_insertion, random_deletion = (float(mean) for mean in areas.mean(axis=0))
    return Ablation(len(squares), insertion, deletion, random_insertion, random_deletion)


def _frames(square: Image, class_map: FloatArray, steps: int) -> tuple[Image, Image]:
    """Return the square as it appears, hottest pixels first, and as it vanishes: each steps + 1 x size x size."""
    order = hottest_first(class_map, square.shape)
    blurred = np.asarray(cv2.GaussianBlur(square, (0, 0), max(1.0, BLUR * len(square))), np.uint8)
    even = np.full_like(square, round(float(square.mean())))
    return replaced(blurred, square, order, steps), replaced(square, even, order, steps)


def hottest_first(class_map: FloatArray, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the pixels (flat indices) of an image of *shape* in the order of their heat.

    Pixels of the same heat, such as all that have none, come in a drawn order: one along the rows would hide or show
    whole rows, and be compared with a random map that has no such pixels.
    """
    heat = cv2.resize(class_map.astype(np.float32), shape[1::-1], interpolation=cv2.INTER_LINEAR).ravel()
    drawn = np.random.default_rng(0).permutation(heat.size)
    return np.lexsort((drawn, -heat))


def replaced(image: Image, by: Image, order: npt.NDArray[np.int64], steps: int) -> Image:
    """Return *image*, with ever more pixels taken from *by*: none in the first of steps + 1 images, all in the last."""
    frames: Image = np.repeat(image[np.newaxis], steps + 1, axis=0)
    flat, source = frames.reshape(steps + 1, -1), by.ravel()
    for step in range(1, steps + 1):
        taken = order[: round(len(order) * step / steps)]
        flat[step, taken] = source[taken]
    return frames


def area_under(curve: FloatArray) -> float:
    """Return the area under evenly spaced points over 0..1, by the trapezoidal rule."""
    return float((curve[1:].astype(np.float64) + curve[:-1]).mean() / 2)
