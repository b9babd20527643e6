"""The network: a MobileNetV2 that was taught on ImageNet, three of its depths fused, and maps that say what lies where.

The last step is a 1x1 convolution to the evidence for each label, cell by cell; what is left of it above zero is the
label's class map, whose mean and a bias make the logit (after Zhou et al. 2016, https://arxiv.org/abs/1512.04150). So
Grad-CAM of a label is its class map: no gradient is needed to explain, and a TFLite file can. Evidence below zero is
cut off because good steel all around must not outvote a small defect, nor its noise move the mean. The maps are fine,
an eighth of the input's side, because coarse features that know much are enlarged and added to fine ones that know
where (Lin et al. 2017, https://arxiv.org/abs/1612.03144).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import keras
import numpy as np

from linecore.errors import ConfigError
from linecore_models.recipe import GIVEN, IMAGENET, NO_WEIGHTS

TAPS = ("block_6_expand_relu", "block_13_expand_relu", "block_16_project_BN")
"""The layers of MobileNetV2 whose outputs are fused: at 1/8, 1/16 and 1/32 of the input's side."""


@keras.saving.register_keras_serializable("linecore")
class ClassBias(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Adds one number to each logit, after the mean, so that the maps stay free of it."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the numbers, all zero."""
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits, batch x labels."""
        return inputs + self.bias


def build_model(
    labels: int,
    input_size: int,
    *,
    weights: str = IMAGENET,
    alpha: float = 1.0,
    channels: int = 128,
    dropout: float = 0.0,
    seed: int = 0,
    widths: Mapping[str, int] | None = None,
) -> keras.Model:
    """Return the network: float32 N x input_size x input_size x 1, grey, 0..255, named ``image``, to a dict of float32

    - ``scores`` (N x labels): probabilities,
    - ``class_maps`` (N x h x w x labels, h = w = input_size / 8): never below 0, and the logit is their mean plus
      :func:`class_bias`,
    - ``embedding`` (N x features): the means of the finest tap's features. Deeper ones have learnt to overlook what
      tells an unknown surface from a known one.

    *weights* of the backbone are ``imagenet`` (downloaded by Keras), ``none`` (random), the path of a file that holds
    them, or ``given`` (random until :func:`linecore_models.beginning.begin_from`). The batch norm of given weights
    keeps its statistics, scales and shifts whatever else learns: with the small batches of a small data set, new ones
    would wreck the features. *channels* is the width of the fused features; *dropout* is the share of them that is left
    out, each whole, while the network learns. *widths* says how many channels convolutions inside the backbone's blocks
    have, by name, where that is not MobileNetV2's own number; it goes with ``none`` and ``given`` alone.

    Raises:
        ConfigError: the weights cannot be had, or do not fit.
        ValueError: *widths* of a backbone whose weights come from outside, or of a layer that it does not have.
    """
    if widths and weights not in (NO_WEIGHTS, GIVEN):
        raise ValueError(f"weights are {weights!r}, which are those of MobileNetV2's own widths")
    image = keras.Input((input_size, input_size, 1), name="image", dtype="float32")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    backbone = _backbone(input_size, weights, alpha, widths or {})
    taps = backbone(scaled) if weights == NO_WEIGHTS else backbone(scaled, training=False)
    kept = keras.layers.SpatialDropout2D(dropout, seed=seed, name="dropout")(_fused(taps, channels))
    class_maps = keras.layers.ReLU(name="class_maps")(keras.layers.Conv2D(labels, 1, name="evidence")(kept))
    means = keras.layers.GlobalAveragePooling2D(name="class_means")(class_maps)
    outputs = {
        "scores": keras.layers.Softmax(name="scores")(ClassBias(name="logits")(means)),
        "class_maps": class_maps,
        "embedding": keras.layers.GlobalAveragePooling2D(name="embedding")(taps[0]),
    }
    return keras.Model(image, outputs, name="linecore")


def class_bias(model: keras.Model) -> list[float]:
    """Return what each class map's mean lacks to the logit, in the order of the labels."""
    bias: list[float] = np.asarray(model.get_layer("logits").bias, np.float64).tolist()
    return bias


def channels_inside(model: keras.Model) -> dict[str, int]:
    """Return how many channels the convolutions that begin the backbone's blocks have, by name."""
    convolutions = (layer for layer in model.get_layer("backbone").layers if type(layer) is keras.layers.Conv2D)
    return {layer.name: layer.filters for layer in convolutions if layer.name.endswith(("Conv1", "expand"))}


def _fused(taps: list[keras.KerasTensor], channels: int) -> keras.KerasTensor:
    """Return the taps as one map at the size of the finest."""
    height, width = taps[0].shape[1:3]
    laterals = []
    for number, tap in enumerate(taps, 1):
        # Made narrow before it is made large, which costs less and comes to the same. One bias is enough for a sum.
        lateral = keras.layers.Conv2D(channels, 1, use_bias=number == 1, name=f"lateral_{number}")(tap)
        if lateral.shape[1:3] != (height, width):
            lateral = _enlarged(lateral, height, width, name=f"enlarged_{number}")
        laterals.append(lateral)
    fused = keras.layers.ReLU(6, name="fused_relu")(keras.layers.Add(name="fused")(laterals))
    around = keras.layers.DepthwiseConv2D(3, padding="same", name="around")(fused)
    return keras.layers.ReLU(6, name="around_relu")(around)


def _enlarged(lateral: keras.KerasTensor, height: int, width: int, name: str) -> keras.KerasTensor:
    """Return *lateral* larger, bilinear with half-pixel centres: aligned wherever the input is a multiple of 32."""
    rows, columns = lateral.shape[1:3]
    if height % rows or width % columns:
        return keras.layers.Resizing(height, width, interpolation="bilinear", name=name)(lateral)
    return keras.layers.UpSampling2D((height // rows, width // columns), interpolation="bilinear", name=name)(lateral)


def _backbone(input_size: int, weights: str, alpha: float, widths: Mapping[str, int]) -> keras.Model:
    try:
        with warnings.catch_warnings():
            # Keras says that it takes the weights of 224 px for other sizes: they are the same, being convolutions.
            warnings.filterwarnings("ignore", message=".*input_shape.*", category=UserWarning)
            whole = keras.applications.MobileNetV2((input_size, input_size, 1), alpha, include_top=False, weights=None)
            if weights not in (NO_WEIGHTS, GIVEN):
                coloured = (input_size, input_size, 3)
                _take_over(keras.applications.MobileNetV2(coloured, alpha, include_top=False, weights=weights), whole)
    except Exception as error:  # whatever Keras, h5py and urllib raise: the user can only give other weights
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        wish = (
            "give the path of a file that holds them with --weights"
            if weights == IMAGENET
            else f"name a file of MobileNetV2 {alpha:g} without top, a finished model, {IMAGENET!r} or {NO_WEIGHTS!r}"
        )
        raise ConfigError(f"weights is {weights!r}, which cannot be used ({reason}); {wish}") from error
    backbone = keras.Model(whole.input, [whole.get_layer(tap).output for tap in TAPS], name="backbone")
    if any(backbone.get_layer(name).filters != channels for name, channels in widths.items()):
        backbone = _with_widths(backbone, widths)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = weights == NO_WEIGHTS
    return backbone


def _with_widths(backbone: keras.Model, widths: Mapping[str, int]) -> keras.Model:
    """Return a backbone built alike, its weights random, but for how many channels some of its convolutions have."""

    def built(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in widths:
            config["filters"] = widths[layer.name]
        return type(layer).from_config(config)

    return keras.models.clone_model(backbone, clone_function=built)


def _take_over(coloured: keras.Model, grey: keras.Model) -> None:
    """Give a network for one channel the weights of one for three.

    Of three equal channels, the first convolution sees no more than the sum of its kernels over them. With one, an int8
    frame takes a tenth less time.
    """
    for taught, layer in zip(coloured.layers, grey.layers, strict=True):
        values = taught.get_weights()
        layer.set_weights([values[0].sum(axis=2, keepdims=True)] if taught.name == "Conv1" else values)
