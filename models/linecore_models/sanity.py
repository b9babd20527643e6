"""Whether heat maps depend on what the network has learnt: the weights are made random, from the head down.

Adebayo et al. 2018 (https://arxiv.org/abs/1810.03292): a map that stays the same while the network forgets shows edges
of the image and not the network's reasons. Loads TensorFlow, so import it only where the check is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from scipy.stats import spearmanr

from linecore.inspection import FloatArray, Image
from linecore_models.answers import keras_outputs
from linecore_models.heatmap import heatmap

STAGES = 8

HEADS = ("evidence", "class_maps")
"""What the convolution that makes the class maps may be called."""


@dataclass(frozen=True, slots=True)
class Randomised:
    """How alike heat maps still are after part of the network has been made random: means over the images."""

    layer: str  # the deepest layer that was; all above it are random, too
    layers: int  # that are random
    correlation: float  # Spearman's, of the class maps: 1 for the same order of cells, 0 for none
    similarity: float  # SSIM of the heat maps: 1 for the same picture


def randomise_downwards(
    model: keras.Model,
    squares: Image,
    labels: Sequence[int],
    rng: np.random.Generator,
    *,
    stages: int = STAGES,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Randomised, ...]:
    """Compare the class maps of *labels* (indices, one an image) before and after each of *stages*.

    *squares* are uint8, N x size x size, of at least 11 px a side. The head, from the convolution that makes the class
    maps on, is the first of two *stages* or more; the layers below it follow in parts of equal number. The values of
    each weight are shuffled among themselves, so that the signal neither dies nor explodes. The model has its own
    weights back in the end.
    """
    learnt = model.get_weights()
    before = _class_maps(model, squares, labels)
    layers = list(_from_the_head(model))
    head = 1 + next(place for place, layer in enumerate(layers) if layer.name in HEADS)
    below = len(layers) - head
    bounds = sorted({head + round(below * stage / (stages - 1)) for stage in range(stages)})
    found = []
    try:
        for done, (start, stop) in enumerate(zip([0, *bounds[:-1]], bounds, strict=True)):
            watch(done, len(bounds))
            for layer in layers[start:stop]:
                layer.set_weights([rng.permuted(weight) for weight in layer.get_weights()])
            after = _class_maps(model, squares, labels)
            found.append(
                Randomised(
                    layers[stop - 1].name,
                    stop,
                    float(np.mean([correlation(*pair) for pair in zip(before, after, strict=True)])),
                    float(np.mean([_similarity(*pair, squares.shape[1:]) for pair in zip(before, after, strict=True)])),
                )
            )
    finally:
        model.set_weights(learnt)
    watch(len(bounds), len(bounds))
    return tuple(found)


def correlation(one: FloatArray, other: FloatArray) -> float:
    """Return Spearman's rank correlation of two maps; 0 where one of them is even, for it says nothing."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def _similarity(one: FloatArray, other: FloatArray, shape: tuple[int, ...]) -> float:
    """Return the structural similarity of the heat maps (Wang et al. 2004)."""
    pictures = (tf.constant(heatmap(class_map, shape)[..., np.newaxis]) for class_map in (one, other))
    return float(tf.image.ssim(*pictures, max_val=1.0))


def _class_maps(model: keras.Model, squares: Image, labels: Sequence[int]) -> FloatArray:
    """Return the evidence before it is rectified: of a shuffled head, what is above zero may be nothing at all."""
    name = next(name for name in HEADS if name in {layer.name for layer in model.layers})
    looked_into = keras.Model(model.input, {"maps": model.get_layer(name).output})
    maps = keras_outputs(looked_into, "maps", squares)
    chosen: FloatArray = maps[np.arange(len(maps)), :, :, np.asarray(labels)]
    return chosen


def _from_the_head(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers that have weights, those of nested models too, the last first."""
    for layer in reversed(model.layers):
        if isinstance(layer, keras.Model):
            yield from _from_the_head(layer)
        elif layer.weights:
            yield layer
