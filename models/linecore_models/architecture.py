"""The network: the first half of a MobileNetV2 that was taught on ImageNet, and a head whose maps say what lies where.

The head is a linear 1x1 convolution to one map for each label, then the mean of each map, a bias and softmax (Zhou et
al. 2016, https://arxiv.org/abs/1512.04150). So ``mean(class map) + bias`` is the logit, and Grad-CAM of a label is its
class map: no gradient is needed to explain, and a TFLite file can.
"""

from __future__ import annotations

import warnings

import keras
import numpy as np

from linecore.errors import ConfigError

IMAGENET = "imagenet"
NO_WEIGHTS = "none"

FEATURES = "block_13_expand_relu"
"""The layer of MobileNetV2 whose output is the features: at 1/16 of the input's size, twice as fine as the last layer.

What tells steel surfaces apart is texture. Deeper layers know more of cats and cars, and less of that: with features of
the last layer, frozen, the validation loss on real steel is two to three times as high, the maps are half as fine and
the int8 file is three times as large.
"""


@keras.saving.register_keras_serializable("linecore")
class ClassBias(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Adds one number to each logit, after the mean, so that the maps stay free of it."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the numbers, all zero."""
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits, batch x labels."""
        return inputs + self.bias


def build_model(labels: int, input_size: int, *, weights: str = IMAGENET, alpha: float = 1.0) -> keras.Model:
    """Return the network: float32 N x input_size x input_size x 1, grey, 0..255, named ``image``, to a dict of float32

    - ``scores`` (N x labels): probabilities,
    - ``class_maps`` (N x h x w x labels): their mean plus :func:`class_bias` is the logit,
    - ``embedding`` (N x features): the mean of the backbone's features.

    *weights* of the backbone are ``imagenet`` (downloaded by Keras), ``none`` (random, and trained with the head), or
    the path of a file that holds them. Weights that were given are frozen, and their batch norm keeps the statistics
    that it was taught with. The head starts from zero.

    Raises:
        ConfigError: the weights cannot be had, or do not fit.
    """
    image = keras.Input((input_size, input_size, 1), name="image", dtype="float32")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    channels = keras.layers.Concatenate(name="channels")([scaled, scaled, scaled])
    frozen = weights != NO_WEIGHTS
    backbone = _backbone(input_size, weights, alpha)
    backbone.trainable = not frozen
    features = backbone(channels, training=False) if frozen else backbone(channels)
    class_maps = keras.layers.Conv2D(labels, 1, use_bias=False, kernel_initializer="zeros", name="class_maps")(features)
    means = keras.layers.GlobalAveragePooling2D(name="class_means")(class_maps)
    outputs = {
        "scores": keras.layers.Softmax(name="scores")(ClassBias(name="logits")(means)),
        "class_maps": class_maps,
        "embedding": keras.layers.GlobalAveragePooling2D(name="embedding")(features),
    }
    return keras.Model(image, outputs, name="linecore")


def class_bias(model: keras.Model) -> list[float]:
    """Return what each class map's mean lacks to the logit, in the order of the labels."""
    bias: list[float] = np.asarray(model.get_layer("logits").bias, np.float64).tolist()
    return bias


def _backbone(input_size: int, weights: str, alpha: float) -> keras.Model:
    try:
        with warnings.catch_warnings():
            # Keras says that it takes the weights of 224 px for other sizes: they are the same, being convolutions.
            warnings.filterwarnings("ignore", message=".*input_shape.*", category=UserWarning)
            whole = keras.applications.MobileNetV2(
                input_shape=(input_size, input_size, 3),
                alpha=alpha,
                include_top=False,
                weights=None if weights == NO_WEIGHTS else weights,
            )
    except Exception as error:  # whatever Keras, h5py and urllib raise: the user can only give other weights
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        wish = (
            "give the path of a file that holds them with --weights"
            if weights == IMAGENET
            else f"name a file of MobileNetV2 {alpha:g} without top, {IMAGENET!r} or {NO_WEIGHTS!r}"
        )
        raise ConfigError(f"weights is {weights!r}, which cannot be used ({reason}); {wish}") from error
    return keras.Model(whole.input, whole.get_layer(FEATURES).output, name="backbone")
