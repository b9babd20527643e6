"""What a network should say of a batch of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from linecore_models.loss import present


class Lesson(NamedTuple):
    """A batch of pictures, and what is to be said of them: tensors of float32."""

    squares: tf.Tensor  # N x size x size x 1, 0..255
    labels: tf.Tensor  # N x labels, probabilities
    cells: tf.Tensor  # N x h x w x labels: how likely each cell holds the label, or to which share
    there: tf.Tensor  # N x labels: how likely the label is anywhere on the picture
    told: tf.Tensor  # N, 1 where the cells are known and 0 where nobody told
    boxes: tf.Tensor  # N x h x w x labels: share of each cell that lies in a box of the label
    boxed: tf.Tensor  # N, 1 where the boxes are known
    weights: tf.Tensor  # N


Teach = Callable[[Lesson], Lesson]
"""Makes another lesson of one: of pictures that are not the same, or with more that is known of them."""


def as_told(lesson: Lesson) -> Lesson:
    """Return the lesson as it is."""
    return lesson


def lesson_of(batch: Sequence[tf.Tensor]) -> Lesson:
    """Return what is known of a batch: its squares, truth, masks, told and weights, as `Batches` has them."""
    squares, truth, masks, told, weights = batch
    return Lesson(squares, truth, masks, tf.maximum(truth, present(masks)), told, masks, told, weights)
