"""From a Keras model to TFLite files, the bias of the rounded ones corrected."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from linecore.errors import ConfigError
from linecore.inspection import FloatArray, Image
from linecore_models.answers import keras_outputs
from linecore_models.interpreter import SIGNATURE, find_runtime
from linecore_models.manifest import VariantName
from linecore_models.quiet import native_stderr_held


def convert(model: keras.Model, variants: Iterable[VariantName], representative: Image) -> dict[VariantName, bytes]:
    """Return the model as TFLite files for one frame at a time, float32 in and out, with outputs by name.

    ``int8`` holds whole numbers inside as well. Their ranges, and the correction of the bias, come from
    *representative* frames (uint8, N x size x size), which must be teaching frames: others would leak into the model.

    Raises:
        ConfigError: a network whose numbers cannot be rounded.
    """
    with tempfile.TemporaryDirectory() as saved, native_stderr_held(), warnings.catch_warnings():
        # The converter warns of the interpreter that it calibrates with itself.
        warnings.simplefilter("ignore", UserWarning)
        _save(model, saved)
        plain = {variant: _converted(saved, variant, representative) for variant in variants}
        return {
            variant: content if variant == "float32" else _bias_corrected(model, variant, content, representative)
            for variant, content in plain.items()
        }


def plain_tflite(model: keras.Model, variant: VariantName, representative: Image) -> bytes:
    """Return any model with one input as a TFLite file, as the converter makes it: nothing is corrected.

    *representative* are uint8, N x size x size x channels; one channel may be left out.
    """
    with tempfile.TemporaryDirectory() as saved, native_stderr_held(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        _save(model, saved)
        return _converted(saved, variant, representative)


def _bias_corrected(model: keras.Model, variant: VariantName, plain: bytes, representative: Image) -> bytes:
    """Convert again, with what rounding did to the logits on average taken back in the bias.

    Rounding the weights moves every activation a little to one side, and layer upon layer it adds up to a shift of the
    logits that is the same for most frames (Nagel et al. 2019, https://arxiv.org/abs/1906.04721).
    """
    bias = model.get_layer("logits").bias
    own = bias.numpy()
    bias.assign(own + _mean_logits(model, representative) - _mean_rounded_logits(variant, plain, representative))
    try:
        with tempfile.TemporaryDirectory() as saved:
            _save(model, saved)
            return _converted(saved, variant, representative)
    finally:
        bias.assign(own)


def _mean_logits(model: keras.Model, squares: Image) -> FloatArray:
    """Return the mean over frames of what each label's class map means, which is its logit but for the bias."""
    return np.asarray(keras_outputs(model, "class_maps", squares).mean(axis=(0, 1, 2)), np.float32)


def _mean_rounded_logits(variant: VariantName, content: bytes, squares: Image) -> FloatArray:
    interpreter = find_runtime().make(model_content=content, num_threads=1)
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:  # XNNPACK: two layers' numbers lie further apart than it can scale
        raise ConfigError(
            f"{variant} cannot be made of this network, mostly one that has learnt nothing yet ({str(error).strip()}); "
            f"train it longer, or leave {variant} out of --variants"
        ) from None
    run = interpreter.get_signature_runner(SIGNATURE)
    means = [run(image=image)["class_maps"].mean(axis=(0, 1, 2)) for image in _one_by_one(squares)]
    return np.asarray(np.mean(means, axis=0), np.float32)


def _converted(saved: str, variant: VariantName, representative: Image) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=[SIGNATURE])
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        converter.representative_dataset = lambda: ({"image": image} for image in _one_by_one(representative))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    content: bytes = converter.convert()
    return content


def _one_by_one(squares: Image) -> Iterator[FloatArray]:
    for square in squares:
        yield square.reshape(1, *square.shape[:2], -1).astype(np.float32)


def _save(model: keras.Model, folder: str) -> None:
    """Write a SavedModel: from a model in memory, the converter would lose the names of the outputs."""

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        answer: dict[str, tf.Tensor] = model(image, training=False)
        return answer

    archive = keras.export.ExportArchive()
    archive.track(model)
    shape = (1, *model.inputs[0].shape[1:])
    archive.add_endpoint(SIGNATURE, serve, input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
    archive.write_out(folder, verbose=False)
