"""Grad-CAM by gradient tape, for any functional Keras model (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).

A bundle's class maps give the same without a gradient (:func:`linecore_models.heatmap.heatmap`); this is for networks
that have none, and the measure that the short way is held against.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from linecore.errors import ModelError
from linecore.inspection import FloatArray


class GradCam:
    """Says where a Keras model sees a label.

    *layer* names the layer (or nested model) whose feature maps are weighed; without it, the last that has any before
    the scores is taken. May be called from several threads at once.

    Raises:
        ModelError: the model has no feature maps, or none of that name.
    """

    def __init__(self, model: keras.Model, layer: str | None = None) -> None:
        if not getattr(model, "inputs", None):  # a model whose layers are called by code of its own
            raise ModelError(f"the Keras model {model.name} is not functional, so its layers cannot be looked into")
        scores = _scores(model)
        maps = _feature_maps(scores)
        if not maps:
            raise ModelError(f"the Keras model {model.name} has no layer with a feature map; Grad-CAM needs one")
        self.layer = layer or next(iter(maps))
        if self.layer not in maps:
            raise ModelError(f"layer is {layer!r}, but {model.name} has feature maps in {', '.join(reversed(maps))}")
        logits = _logits(scores)
        self.labels = int(logits.shape[-1])
        self.input_shape: tuple[int | None, ...] = tuple(model.inputs[0].shape[1:])  # without the batch
        self._looked_into = keras.Model(model.inputs, [maps[self.layer], logits])
        self._weigh = tf.function(self._weighed, reduce_retracing=True)

    def class_map(self, batch: FloatArray, label: int) -> FloatArray:
        """Return the sum of the feature maps, each weighed by its mean gradient: float32 h x w, not yet rectified.

        *batch* is what the model takes, with one frame in it (1 x H x W x channels); *label* is the index of an output.
        """
        weighed: FloatArray = self._weigh(tf.convert_to_tensor(batch), tf.constant(label)).numpy()
        return weighed

    def _weighed(self, batch: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            # A frozen backbone has no variable that the tape would watch by itself.
            tape.watch(batch)
            features, logits = self._looked_into(batch, training=False)
            logit = logits[0, label]
        weights = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2), keepdims=True)
        return tf.reduce_sum(weights * features, axis=-1)[0]


def _scores(model: keras.Model) -> keras.KerasTensor:
    """Return the output that holds a probability for each label."""
    if isinstance(model, keras.Sequential):
        return model.outputs[0]
    outputs = model.output
    if isinstance(outputs, dict):
        return outputs["scores"]
    return outputs[0] if isinstance(outputs, list | tuple) else outputs


def _feature_maps(scores: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Return what *scores* are made from and is batch x h x w x channels, by the layer's name, the last layer first.

    Walking back from the scores, and not through ``model.layers``, finds a nested model's output where this model uses
    it, and leaves out what the scores do not depend on.
    """
    found: dict[str, keras.KerasTensor] = {}
    seen: set[int] = set()
    coming = [scores]
    while coming:
        tensor = coming.pop(0)
        if id(tensor) in seen or not _inputs(tensor):
            continue
        seen.add(id(tensor))
        if len(tensor.shape) == 4 and tensor.shape[1:3] != (1, 1):
            found.setdefault(tensor._keras_history.operation.name, tensor)
        coming += _inputs(tensor)
    return found


def _inputs(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Return what *tensor* was made from: nothing, for a model's input."""
    made_by, call, _ = tensor._keras_history
    return list(made_by._inbound_nodes[call].input_tensors)


def _logits(scores: keras.KerasTensor) -> keras.KerasTensor:
    """Return what *scores* is the softmax of: past it, the gradients of all labels are mixed into one another's."""
    made_by = scores._keras_history.operation
    activation = getattr(made_by, "activation", None)
    if isinstance(made_by, keras.layers.Dense) and activation is keras.activations.softmax:
        logits = keras.ops.matmul(_inputs(scores)[0], made_by.kernel)
        return logits if made_by.bias is None else keras.ops.add(logits, made_by.bias)
    # keras.ops.softmax is an operation of the same name as the layer.
    is_softmax = type(made_by).__name__ == "Softmax" or activation is keras.activations.softmax
    return _inputs(scores)[0] if is_softmax else scores
