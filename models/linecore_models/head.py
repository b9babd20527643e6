"""The head while it learns: on features that are centred and scaled, which the served head need not know of."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray

SCALE_FLOOR = 0.05
"""Added to each feature's standard deviation: a feature that hardly varies must not be blown up to be heard, for int8
has one scale for all weights of a label."""


class LearningHead:
    """Teaches a network's head, on the embedding: the mean of a linear map is the linear map of the mean.

    The features of a frozen backbone differ little from frame to frame about a large mean, which gradient descent
    crawls along. So the head learns on what is orthogonal to that mean, scaled by its deviation. Both are linear, and
    :meth:`fold` gives the served head the same answers from features as they are. As the mean is projected away rather
    than subtracted, no constant goes into the bias, and the class maps of an average frame are zero on average: a map
    is positive where something speaks for its label, and int8 wastes no range on offsets.
    """

    def __init__(self, model: keras.Model, embeddings: FloatArray | None, *, dropout: float, seed: int) -> None:
        """Take the mean and deviation from the *embeddings* (N x features) of teaching frames.

        None leaves the features as they are: for a backbone that learns too, whose features will change.
        """
        features = model.output["embedding"]
        count, labels = model.get_layer("class_maps").kernel.shape[2:]
        self._model = model
        self._standardised = np.eye(count) if embeddings is None else standardising(embeddings)
        if embeddings is not None:
            fixed = keras.layers.Dense(count, use_bias=False, trainable=False)
            features = fixed(features)
            fixed.kernel.assign(self._standardised)
        kept = keras.layers.Dropout(dropout, seed=seed)(features)
        self._dense = keras.layers.Dense(labels, activation="softmax", kernel_initializer="zeros")
        self.network = keras.Model(model.input, self._dense(kept))

    def fold(self) -> None:
        """Give the model's own head the weights with which it answers what this one does."""
        kernel = self._standardised @ np.asarray(self._dense.kernel, np.float64)
        self._model.get_layer("class_maps").kernel.assign(kernel[np.newaxis, np.newaxis])
        self._model.get_layer("logits").bias.assign(self._dense.bias)


def standardising(embeddings: FloatArray) -> npt.NDArray[np.float64]:
    """Return the matrix (features x features) that projects the embeddings' mean away and scales what is left."""
    mean = embeddings.mean(axis=0, dtype=np.float64)
    projection = np.eye(len(mean)) - np.outer(mean, mean) / (mean @ mean)
    scaled: npt.NDArray[np.float64] = projection / (SCALE_FLOOR + embeddings.std(axis=0, dtype=np.float64))
    return scaled
