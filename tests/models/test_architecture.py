from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import FloatArray
from linecore_models.architecture import NO_WEIGHTS, build_model, class_bias
from tests.models.conftest import ALPHA

FEATURE_COUNT = 192  # of MobileNetV2 at this width


@pytest.fixture(scope="module")
def model(weights: Path) -> keras.Model:
    """A network for three labels at 96 px, whose head was given numbers."""
    model = build_model(3, 96, weights=str(weights), alpha=ALPHA)
    rng = np.random.default_rng(0)
    model.get_layer("class_maps").kernel.assign(rng.normal(0, 0.1, (1, 1, FEATURE_COUNT, 3)))
    model.get_layer("logits").bias.assign([0.5, -1.0, 0.25])
    return model


@pytest.fixture(scope="module")
def frames() -> FloatArray:
    return np.random.default_rng(1).uniform(0, 255, (4, 96, 96, 1)).astype(np.float32)


def test_the_outputs_are_named_and_shaped_as_the_bundle_promises(model: keras.Model, frames: FloatArray) -> None:
    outputs = model(frames, training=False)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "scores": (4, 3),
        "class_maps": (4, 6, 6, 3),
        "embedding": (4, FEATURE_COUNT),
    }
    assert model.inputs[0].name == "image"


def test_the_mean_of_a_class_map_plus_the_bias_is_the_logit(model: keras.Model, frames: FloatArray) -> None:
    outputs = model(frames, training=False)
    logits = outputs["class_maps"].numpy().mean(axis=(1, 2)) + class_bias(model)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert outputs["scores"].numpy() == pytest.approx(softmax, abs=1e-5)


def test_the_embedding_is_what_the_class_maps_are_made_of(model: keras.Model, frames: FloatArray) -> None:
    outputs = model(frames, training=False)
    kernel = model.get_layer("class_maps").kernel.numpy()[0, 0]
    assert outputs["class_maps"].numpy().mean(axis=(1, 2)) == pytest.approx(
        outputs["embedding"].numpy() @ kernel, abs=1e-4
    )


def test_grey_levels_reach_the_backbone_as_minus_one_to_one_in_three_channels(model: keras.Model) -> None:
    into_backbone = keras.Model(model.input, model.get_layer("channels").output)
    levels = np.array([[[[0.0], [127.5]], [[255.0], [51.0]]]], np.float32).repeat(48, 1).repeat(48, 2)
    channels = into_backbone(levels).numpy()[0]
    assert channels[::48, ::48, 0] == pytest.approx(np.array([[-1, 0], [1, -0.6]]), abs=1e-6)
    assert (channels == channels[..., :1]).all()


def test_given_weights_are_frozen_and_only_the_head_learns(model: keras.Model) -> None:
    assert [variable.path for variable in model.trainable_variables] == ["class_maps/kernel", "logits/bias"]


def test_batch_norm_of_given_weights_keeps_its_statistics(model: keras.Model, frames: FloatArray) -> None:
    before = [variable.numpy().copy() for variable in model.get_layer("backbone").non_trainable_variables]
    model(frames, training=True)
    after = [variable.numpy() for variable in model.get_layer("backbone").non_trainable_variables]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_without_weights_the_backbone_learns_too() -> None:
    model = build_model(2, 32, weights=NO_WEIGHTS, alpha=ALPHA)
    assert len(model.trainable_variables) > 100


def test_an_untrained_head_is_undecided() -> None:
    model = build_model(4, 32, weights=NO_WEIGHTS, alpha=ALPHA)
    assert model(np.zeros((1, 32, 32, 1), np.float32))["scores"].numpy().tolist() == [[0.25, 0.25, 0.25, 0.25]]


def test_a_saved_network_comes_back_the_same(model: keras.Model, frames: FloatArray, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(frames)["scores"], model(frames)["scores"])


def test_weights_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match=r"weights is '/nowhere.h5', which cannot be used \(.*\); name a file of"):
        build_model(2, 32, weights="/nowhere.h5")


def test_weights_of_another_width_are_refused(weights: Path) -> None:
    with pytest.raises(ConfigError, match="which cannot be used .*; name a file of MobileNetV2 1 without top"):
        build_model(2, 32, weights=str(weights), alpha=1.0)
