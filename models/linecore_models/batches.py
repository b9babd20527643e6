"""From the pictures that teach to what TensorFlow steps through: drawn ahead, on other threads than the step's."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from linecore_models.machines import Machines
from linecore_models.pictures import Indices, Pictures, Teaching
from linecore_models.recipe import Recipe

THREADS = 2
"""That draw pictures: NumPy and OpenCV let go of the interpreter's lock, and one draws faster than two cores learn."""

AHEAD = 4
"""Batches that wait, drawn, for the step."""


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of each epoch. The last one is filled up from the epoch's beginning, so that all are of one size."""

    teaching: Teaching
    pictures: Pictures
    recipe: Recipe
    side: int  # of the class maps, in cells

    @classmethod
    def of(cls, teaching: Teaching, recipe: Recipe, network: keras.Model) -> Batches:
        """Return those that *network* learns from."""
        side = int(network.output["class_maps"].shape[1])
        return cls(teaching, Pictures(teaching, recipe, side), recipe, side)

    @property
    def steps(self) -> int:
        """Of each epoch."""
        return -(-len(self.teaching.order(self.recipe.seed, 0)) // self.recipe.batch_size)

    def epoch(self, number: int, machines: Machines) -> tf.data.Dataset:
        """Return this machine's share of each batch: squares, truth, masks, told, weights, as tensors of float32."""
        order = self.teaching.order(self.recipe.seed, number)
        rows = np.resize(order, (self.steps, self.recipe.batch_size))
        shares = tf.data.Dataset.from_tensor_slices(rows[:, machines.index :: machines.count])
        return shares.map(
            lambda indices: self._drawn(indices, number), num_parallel_calls=THREADS, deterministic=True
        ).prefetch(AHEAD)

    def _drawn(self, indices: tf.Tensor, epoch: int) -> tuple[tf.Tensor, ...]:
        def draw(indices: Indices) -> tuple[np.ndarray, ...]:
            batch = self.pictures.batch(indices, epoch)
            return batch.squares, batch.truth, batch.masks, batch.told, batch.weights

        tensors = tf.numpy_function(draw, [indices], [tf.uint8, *[tf.float32] * 4], stateful=False)
        size, side, labels = self.recipe.input_size, self.side, len(self.teaching.labels)
        shapes = ((size, size, 1), (labels,), (side, side, labels), (), ())
        for tensor, shape in zip(tensors, shapes, strict=True):
            tensor.set_shape((indices.shape[0], *shape))
        squares, *others = tensors
        return tf.cast(squares, tf.float32), *others
