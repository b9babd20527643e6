from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import FloatArray
from linecore_models.architecture import TAPS, build_model, class_bias
from linecore_models.recipe import NO_WEIGHTS
from tests.models.conftest import ALPHA

CHANNELS = 16
FINEST = 96  # features of the finest tap at this width: those of the embedding


@pytest.fixture(scope="module")
def model(weights: Path) -> keras.Model:
    """A network for three labels at 96 px, whose head was given numbers."""
    model = build_model(3, 96, weights=str(weights), alpha=ALPHA, channels=CHANNELS)
    rng = np.random.default_rng(0)
    model.get_layer("evidence").kernel.assign(rng.normal(0, 0.1, (1, 1, CHANNELS, 3)))
    model.get_layer("logits").bias.assign([0.5, -1.0, 0.25])
    return model


@pytest.fixture(scope="module")
def frames() -> FloatArray:
    return np.random.default_rng(1).uniform(0, 255, (4, 96, 96, 1)).astype(np.float32)


def test_the_outputs_are_named_and_shaped_as_the_bundle_promises(model: keras.Model, frames: FloatArray) -> None:
    outputs = model(frames, training=False)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "scores": (4, 3),
        "class_maps": (4, 12, 12, 3),
        "embedding": (4, FINEST),
    }
    assert model.inputs[0].name == "image"


def test_the_mean_of_a_class_map_plus_the_bias_is_the_logit(model: keras.Model, frames: FloatArray) -> None:
    outputs = model(frames, training=False)
    logits = outputs["class_maps"].numpy().mean(axis=(1, 2)) + class_bias(model)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert outputs["scores"].numpy() == pytest.approx(softmax, abs=1e-5)


def test_class_maps_are_the_evidence_above_zero(model: keras.Model, frames: FloatArray) -> None:
    evidence = keras.Model(model.input, model.get_layer("evidence").output)(frames).numpy()
    assert evidence.min() < 0 < evidence.max()
    assert model(frames, training=False)["class_maps"].numpy() == pytest.approx(np.maximum(evidence, 0), abs=1e-5)


def test_the_embedding_is_the_mean_of_the_finest_taps_features(model: keras.Model, frames: FloatArray) -> None:
    scaled = keras.Model(model.input, model.get_layer("rescaling").output)(frames)
    finest = model.get_layer("backbone")(scaled, training=False)[0].numpy()
    assert finest.shape == (4, 12, 12, FINEST)
    assert model(frames, training=False)["embedding"].numpy() == pytest.approx(finest.mean(axis=(1, 2)), abs=1e-5)


def test_class_maps_have_an_eighth_of_the_inputs_side_whatever_it_is(weights: Path) -> None:
    model = build_model(2, 80, weights=str(weights), alpha=ALPHA, channels=CHANNELS)  # 80 / 32 is no whole number
    assert model.output["class_maps"].shape == (None, 10, 10, 2)


def test_one_channel_answers_as_three_equal_ones_would(weights: Path) -> None:
    """Grey levels reach the network as -1 to 1, as they did when it was taught on ImageNet."""
    model = build_model(3, 96, weights=str(weights), alpha=ALPHA)
    coloured = keras.applications.MobileNetV2((96, 96, 3), ALPHA, include_top=False, weights=str(weights))
    levels = np.random.default_rng(2).integers(0, 256, (2, 96, 96, 1)).astype(np.float32)
    taps = keras.Model(coloured.input, [coloured.get_layer(tap).output for tap in TAPS])
    expected = taps(np.repeat(levels, 3, axis=-1) / 127.5 - 1, training=False)
    scaled = keras.Model(model.input, model.get_layer("rescaling").output)(levels)
    for ours, theirs in zip(model.get_layer("backbone")(scaled, training=False), expected, strict=True):
        assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-4)


def test_all_learns_but_the_batch_norm_of_given_weights(model: keras.Model) -> None:
    fixed = {variable.path.split("/")[-1] for variable in model.non_trainable_variables}
    assert fixed <= {"gamma", "beta", "moving_mean", "moving_variance", "seed_generator_state"}
    learning = {variable.path.split("/")[-1] for variable in model.trainable_variables}
    assert learning == {"kernel", "bias"}


def test_batch_norm_of_given_weights_keeps_its_statistics(model: keras.Model, frames: FloatArray) -> None:
    before = [variable.numpy().copy() for variable in model.get_layer("backbone").non_trainable_variables]
    model(frames, training=True)
    after = [variable.numpy() for variable in model.get_layer("backbone").non_trainable_variables]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_without_weights_the_batch_norm_learns_too() -> None:
    model = build_model(2, 32, weights=NO_WEIGHTS, alpha=ALPHA)
    assert any(variable.path.endswith("gamma") for variable in model.trainable_variables)


def test_dropout_leaves_out_whole_features_and_only_while_learning(weights: Path, frames: FloatArray) -> None:
    model = build_model(3, 96, weights=str(weights), alpha=ALPHA, channels=CHANNELS, dropout=0.5)
    kept = keras.Model(model.input, model.get_layer("dropout").output)
    learning = (kept(frames, training=True).numpy() != 0).any(axis=(1, 2))
    serving = (kept(frames, training=False).numpy() != 0).any(axis=(1, 2))
    assert learning.sum() < serving.sum()


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


def test_other_widths_go_with_weights_that_come_later_alone(weights: Path) -> None:
    model = build_model(2, 32, weights=NO_WEIGHTS, alpha=ALPHA, widths={"block_3_expand": 16})
    assert model.get_layer("backbone").get_layer("block_3_depthwise").output.shape[-1] == 16
    with pytest.raises(ValueError, match="which are those of MobileNetV2's own widths"):
        build_model(2, 32, weights=str(weights), alpha=ALPHA, widths={"block_3_expand": 16})
