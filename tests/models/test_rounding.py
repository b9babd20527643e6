from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_models.answers import keras_outputs
from linecore_models.conversion import plain_tflite
from linecore_models.interpreter import SIGNATURE, find_runtime
from linecore_models.rounding import convolutions, round_kernels, rounded, settled


def test_a_channel_keeps_its_largest_number_and_takes_127_steps_to_it() -> None:
    kernel = np.array([[1.27, 0.0126, -0.0049], [-254.0, 3.1, 0.9]], np.float32)
    expected = np.array([[1.27, 0.01, 0.0], [-254.0, 4.0, 0.0]])
    assert rounded(kernel, axes=(1,)) == pytest.approx(expected)


def test_an_empty_channel_stays_empty() -> None:
    assert (rounded(np.zeros((2, 3), np.float32), axes=(1,)) == 0).all()


def steps(layer: keras.layers.Layer) -> FloatArray:
    kernel = layer.kernel.numpy()
    axes = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
    return np.asarray(127 * kernel / np.abs(kernel).max(axis=axes, keepdims=True))


def small_network() -> keras.Model:
    """Two convolutions, one of them inside an inner model, and batch norm that changes the size of each channel."""
    rng = np.random.default_rng(0)
    inner_image = keras.Input((16, 16, 4))
    norm = keras.layers.BatchNormalization()
    inner = keras.Model(inner_image, norm(keras.layers.DepthwiseConv2D(3, padding="same")(inner_image)))
    image = keras.Input((16, 16, 1), name="image", dtype="float32")
    wide = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(keras.layers.Rescaling(1 / 127.5, -1)(image))
    maps = keras.layers.Conv2D(2, 1, use_bias=False)(inner(wide, training=False))
    model = keras.Model(image, {"class_maps": maps})
    for layer in convolutions(model):
        layer.kernel.assign(rng.normal(0, 0.3, layer.kernel.shape))
    norm.gamma.assign([0.1, -3.0, 0.7, 12.0])
    norm.moving_variance.assign([0.01, 5.0, 1.0, 80.0])
    return model


def test_all_kernels_are_put_on_the_grid() -> None:
    model = small_network()
    layers = list(convolutions(model))
    assert len(layers) == 3
    assert not any(np.allclose(steps(layer), np.rint(steps(layer)), atol=1e-3) for layer in layers)
    round_kernels(model)
    for layer in layers:
        assert steps(layer) == pytest.approx(np.rint(steps(layer)), abs=1e-3)


def test_int8_then_says_nearly_what_the_model_says() -> None:
    squares = np.random.default_rng(1).integers(0, 256, (12, 16, 16), np.uint8)

    def error(model: keras.Model) -> float:
        interpreter = find_runtime().make(model_content=plain_tflite(model, "int8", squares), num_threads=1)
        interpreter.allocate_tensors()
        run = interpreter.get_signature_runner(SIGNATURE)
        ours = np.concatenate(
            [run(image=square[None, ..., None].astype(np.float32))["class_maps"] for square in squares]
        )
        theirs = keras_outputs(model, "class_maps", squares)
        return float(np.abs(ours.mean(axis=(1, 2)) - theirs.mean(axis=(1, 2))).mean() / theirs.std())

    model = small_network()
    as_it_was = error(model)
    round_kernels(model)
    assert error(model) < 0.5 * as_it_was


def test_what_was_rounded_is_what_is_saved(tmp_path: Path) -> None:
    model = small_network()
    round_kernels(model)
    model.save(tmp_path / "model.keras")
    for layer in convolutions(keras.models.load_model(tmp_path / "model.keras")):
        assert steps(layer) == pytest.approx(np.rint(steps(layer)), abs=1e-3)


def test_a_settled_network_says_what_it_said_before_and_is_another() -> None:
    """On even grey a kernel is no more than its sum, so that what rounding does to it can be made up for."""
    squares = np.linspace(0, 255, 60).astype(np.uint8).repeat(256).reshape(60, 16, 16)
    model = small_network()
    for layer in convolutions(model):  # a single large number in each channel leaves few steps for the others
        layer.kernel.assign(np.where(layer.kernel == layer.kernel.numpy().max(axis=(0, 1)), 4, layer.kernel))
    before = [weight.copy() for weight in model.get_weights()]
    wanted = keras_outputs(model, "class_maps", squares)
    at_once = small_network()
    at_once.set_weights(before)
    round_kernels(at_once)
    student = settled(model, squares, seed=0, epochs=40)

    def error(other: keras.Model) -> float:
        return float(((keras_outputs(other, "class_maps", squares) - wanted) ** 2).mean())

    assert error(student) < 0.5 * error(at_once)
    for layer in convolutions(student):
        assert steps(layer) == pytest.approx(np.rint(steps(layer)), abs=1e-3)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
