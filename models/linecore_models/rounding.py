"""Puts a network's kernels where int8 can hold them, so that its TFLite files are the very network that was measured.

Int8 keeps a convolution's kernel as whole numbers from -127 to 127, times one scale for each output channel. Rounding
to them when a file is made moves the answers more than all else that int8 does together (measured: 0.22 of the 0.26 by
which a logit was off). So it is done before, and what is not rounded learns to make up for it: the scales and shifts of
batch norm, and the biases. Batch norm scales whole channels, so that folding it into a kernel leaves that on its grid.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from linecore.inspection import FloatArray, Image
from linecore_models.answers import keras_outputs

STEPS = 127
EPOCHS = 6
RATE = 1e-3
BATCH = 30


def settled(model: keras.Model, squares: Image, *, seed: int, epochs: int = EPOCHS) -> keras.Model:
    """Return a copy of *model* whose kernels are on the grid, and which says the same as before: as near as it can.

    It learns from the model's own class maps of *squares* (uint8, N x size x size), training frames with and without
    line conditions; no labels are needed (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).
    """
    maps = keras_outputs(model, "class_maps", squares)
    student = keras.models.clone_model(model)
    student.set_weights(model.get_weights())
    round_kernels(student)
    vectors = [vector.value for vector in _vectors(student)]
    batches = max(1, len(squares) // BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, epochs * batches))
    # Both by their own variance: the cells of the maps say where, their means what.
    cells, means = (float(1 / max(of.var(), 1e-12)) for of in (maps, maps.mean(axis=(1, 2))))

    def learn(images: tf.Tensor, wanted: tf.Tensor) -> None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(vectors)  # batch norm of given weights is marked as not to be trained
            off = student(images, training=False)["class_maps"] - wanted
            loss = cells * tf.reduce_mean(off**2) + means * tf.reduce_mean(tf.reduce_mean(off, (1, 2)) ** 2)
        gradients = tape.gradient(loss, vectors)
        optimizer.apply_gradients(zip(gradients, _vectors(student), strict=True))

    step = tf.function(learn)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for chosen in np.array_split(rng.permutation(len(squares)), batches):
            step(squares[chosen][..., np.newaxis].astype(np.float32), maps[chosen])
    return student


def round_kernels(model: keras.Model) -> None:
    """Round the kernels of all convolutions in place, those of models inside it too; what learns them must stop."""
    for layer in convolutions(model):
        kernel = layer.kernel.numpy()
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        layer.kernel.assign(rounded(kernel, axes=(0, 1) if depthwise else (0, 1, 2)))


def rounded(kernel: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """Return *kernel* as whole numbers of steps; *axes* are those that share a step, of 1/127 of their largest."""
    largest = np.abs(kernel).max(axis=axes, keepdims=True)
    step = np.where(largest > 0, largest, 1) / STEPS
    return np.asarray(np.rint(kernel / step) * step, np.float32)


def convolutions(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Return the convolutions of a model, and of the models inside it."""
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    return (layer for layer in _layers(model) if isinstance(layer, kinds))


def _vectors(model: keras.Model) -> list[keras.Variable]:
    """Return what int8 keeps finer than kernels: scales and shifts of batch norm, and the biases of convolutions."""
    norms = [layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    biases = [layer.bias for layer in convolutions(model) if layer.use_bias]
    return [*(layer.gamma for layer in norms), *(layer.beta for layer in norms), *biases]


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
