"""What a step makes smaller: wrong labels, and class maps that burn where no box is.

Each function returns one number for each picture (N), so that pictures can count differently.
"""

from __future__ import annotations

import keras
import tensorflow as tf

ABSENT = 0.6
"""What the class map of a label that is not on the picture counts beside those that are: they are many, and easy."""


EVIDENCE = 8.0
"""Of a class map, for each unit of a cell's log-odds. A label's logit is the mean of its map: were the map itself the
log-odds, a defect on a tenth of the picture would raise the logit by less than one, and telling it from good steel
would take far larger numbers than the cells ask for."""


def label_loss(logits: tf.Tensor, truth: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return the categorical cross-entropy; *logits* and *truth* are N x labels."""
    return keras.losses.categorical_crossentropy(truth, logits, from_logits=True, label_smoothing=smoothing)


def cell_loss(evidence: tf.Tensor, cells: tf.Tensor, there: tf.Tensor, told: tf.Tensor) -> tf.Tensor:
    """Return the sigmoid cross-entropy of the evidence against cells, the mean over cells and the sum over labels.

    *evidence*, the class maps before they are rectified, and *cells*, 0..1, are N x h x w x labels. *there* and *told*
    are N x labels: whether a label is on the picture, and 1 where its cells are known, 0 for pictures that nobody told
    of and for labels of good product, which have no place.
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=cells, logits=evidence / EVIDENCE)
    counts = told * (there + ABSENT * (1 - there))
    return tf.reduce_sum(tf.reduce_mean(losses, axis=(1, 2)) * counts, axis=1)


def overlap_loss(evidence: tf.Tensor, masks: tf.Tensor, boxed: tf.Tensor) -> tf.Tensor:
    """Return how little the evidence for the labels that are there overlaps with their boxes: 1 - Dice, summed.

    It weighs a small defect like a large one (Milletari et al. 2016, https://arxiv.org/abs/1606.04797), which the loss
    of the cells does not.
    """
    burning = tf.sigmoid(evidence / EVIDENCE)
    both = tf.reduce_sum(burning * masks, axis=(1, 2))
    either = tf.reduce_sum(burning + masks, axis=(1, 2))
    return tf.reduce_sum((1 - (2 * both + 1) / (either + 1)) * present(masks) * boxed, axis=1)


def present(masks: tf.Tensor) -> tf.Tensor:
    """Return which labels have a box on the picture: N x labels, 1 or 0."""
    return tf.cast(tf.reduce_max(masks, axis=(1, 2)) > 0, tf.float32)
