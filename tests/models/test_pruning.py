from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from linecore.errors import ConfigError
from linecore.inspection import FloatArray
from linecore_models.architecture import build_model, channels_inside
from linecore_models.bundle import load_bundle
from linecore_models.keras_file import load_keras
from linecore_models.learner import Learner
from linecore_models.machines import Machines
from linecore_models.pruning import BLOCKS, STEM, Block, Channels, choose, pruned, survey
from linecore_models.recipe import GIVEN, Recipe
from tests.models.conftest import ALPHA, SIDE, train_tiny

FIRST, SECOND, LAST = BLOCKS[1], BLOCKS[2], BLOCKS[-1]
QUICKLY = ("--head-epochs", "1", "--fine-tune-epochs", "0", "--head-rate", "1e-9", "--variants", "float32")


def build(widths: Mapping[str, int]) -> keras.Model:
    keras.utils.set_random_seed(5)
    return build_model(3, SIDE, weights=GIVEN, alpha=ALPHA, widths=widths)


@pytest.fixture(scope="module")
def squares() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), np.uint8)


@pytest.fixture(scope="module")
def batch(squares: np.ndarray) -> tuple[tf.Tensor, ...]:
    count, side = len(squares), SIDE // 8
    masks = np.random.default_rng(1).uniform(size=(count, side, side, 3)).astype(np.float32)
    return tf.constant(squares[..., np.newaxis], tf.float32), tf.eye(3), tf.constant(masks), tf.ones(3), tf.ones(3)


@pytest.fixture(scope="module")
def learner() -> Learner:
    """Of a network whose signals do not fade, as those of random weights would, until nothing mattered."""
    network = build({})
    for layer in network.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(np.full(layer.gamma.shape, 2.5))
    return learner_of(network)


@pytest.fixture(scope="module")
def known(learner: Learner, batch: tuple[tf.Tensor, ...], squares: np.ndarray) -> dict[Block, Channels]:
    return survey(learner, [batch], squares)


def maps(network: keras.Model, squares: np.ndarray) -> FloatArray:
    answers: FloatArray = network(squares[..., np.newaxis].astype(np.float32), training=False)["class_maps"].numpy()
    return answers


def learner_of(network: keras.Model) -> Learner:
    recipe = Recipe(weights=GIVEN, input_size=SIDE, batch_size=3)
    return Learner(network, recipe, [False] * 3, Machines())


def channels(*importance: float, cost: float = 1.0) -> Channels:
    known = np.repeat(np.array(importance, np.float32), 16)
    return Channels(known, np.zeros(len(known), np.float32), cost)


def test_blocks_whose_channels_are_fused_stay_whole() -> None:
    assert STEM in BLOCKS
    assert [block.expand for block in BLOCKS if block.expand in ("block_6_expand", "block_13_expand")] == []
    assert len(BLOCKS) == 1 + 16 - 2


def test_what_matters_least_for_its_cost_goes_first() -> None:
    some = {FIRST: channels(6, 1, 3, 9, cost=4), SECOND: channels(1, 1.5, 8, 7, cost=1)}
    # All cost 64 * 5 = 320. Sixteens by importance for their cost: 0.25 and 0.75 of the first, 1 and 1.5 of the second.
    kept = choose(some, 0.2)
    assert kept[FIRST].tolist() == [*range(16), *range(32, 64)]
    assert kept[SECOND].tolist() == list(range(64))
    kept = choose(some, 0.42)  # 134.4: after 64 and 64 the next 16
    assert kept[FIRST].tolist() == [*range(16), *range(48, 64)]
    assert kept[SECOND].tolist() == list(range(16, 64))


def test_a_block_keeps_a_quarter_whatever_is_asked() -> None:
    some = {FIRST: channels(1, 2, 3, 4), SECOND: channels(100, 200)}
    kept = choose(some, 0.99)
    assert kept[FIRST].tolist() == list(range(48, 64))
    assert kept[SECOND].tolist() == list(range(16, 32))


def test_nothing_to_go_takes_nothing() -> None:
    assert choose({FIRST: channels(1, 2)}, 0.0)[FIRST].tolist() == list(range(32))


def test_importance_is_the_squared_slope_of_the_loss_where_a_channel_fades(
    learner: Learner, batch: tuple[tf.Tensor, ...], known: dict[Block, Channels]
) -> None:
    for block in (STEM, FIRST, SECOND):
        channel = int(known[block].importance.argmax())
        kernel = learner.model.get_layer("backbone").get_layer(block.project).kernel
        whole = kernel.numpy()
        losses = []
        for share in (0.995, 1.005):
            faded = whole.copy()
            faded[:, :, channel] *= share
            kernel.assign(faded)
            losses.append(learner.step(batch, 0.0, None).loss / 3)
        kernel.assign(whole)
        assert known[block].importance[channel] > 1e-6
        assert known[block].importance[channel] == pytest.approx(((losses[1] - losses[0]) / 0.01) ** 2, rel=0.1)


def test_importance_adds_up_over_batches(
    learner: Learner, batch: tuple[tf.Tensor, ...], squares: np.ndarray, known: dict[Block, Channels]
) -> None:
    twice = survey(learner, [batch, batch], squares)
    np.testing.assert_allclose(twice[FIRST].importance, 2 * known[FIRST].importance, rtol=1e-5)


def test_a_channel_costs_its_multiply_adds_and_what_it_writes(known: dict[Block, Channels]) -> None:
    # Of 32 x 32 pixels the stem makes 16 x 16 and keeps them; 3 x 3 taps, and 8 channels to project to.
    assert known[STEM].cost == 256 * (9 + 30) + 256 * (9 + 8 + 30)
    # The first block expands 8 channels at 16 x 16, filters them down to 8 x 8, and projects to 8.
    assert known[FIRST].cost == 256 * (8 + 30) + 64 * (9 + 8 + 30)


def test_channels_that_hand_on_a_constant_are_not_missed(squares: np.ndarray) -> None:
    network = build({})
    backbone = network.get_layer("backbone")
    kept = {block: np.arange(backbone.get_layer(block.depthwise_norm).gamma.shape[0]) for block in BLOCKS}
    for block in (STEM, FIRST, LAST):
        norm = backbone.get_layer(block.depthwise_norm)
        constant = kept[block][:8]
        gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
        gamma[constant], beta[constant] = 0, 1.5
        norm.gamma.assign(gamma)
        norm.beta.assign(beta)
        kept[block] = kept[block][8:]
    narrow = pruned(network, survey(learner_of(network), [], squares), kept, build)
    assert channels_inside(narrow)[FIRST.expand] == channels_inside(network)[FIRST.expand] - 8
    np.testing.assert_allclose(maps(narrow, squares), maps(network, squares), rtol=1e-4, atol=1e-5)


def test_channels_that_stay_keep_what_they_know(learner: Learner, known: dict[Block, Channels]) -> None:
    kept = choose(known, 0.3)
    block = next(block for block in BLOCKS if len(kept[block]) < len(known[block].mean))
    narrow, before = (one.get_layer("backbone") for one in (pruned(learner.model, known, kept, build), learner.model))
    for name, axis in ((block.expand, 3), (block.depthwise, 2), (block.project, 2)):
        old, new = (backbone.get_layer(name).kernel.numpy() for backbone in (before, narrow))
        np.testing.assert_array_equal(new, np.take(old, kept[block], axis=axis))
    assert not narrow.get_layer(block.project_norm).trainable


def test_training_prunes_the_model_that_it_begins_from_and_goes_on_from_a_pruned_one(
    plates: Path, trained: Path, tmp_path: Path
) -> None:
    thin, again, next_one = (tmp_path / name for name in ("thin", "again", "next"))
    for out in (thin, again):
        told = train_tiny(plates, trained, out, *QUICKLY, "--prune", "0.3")
        assert told.exit_code == 0, told.output
    inside = [json.loads((folder / "model.json").read_text())["training"] for folder in (trained, thin, again)]
    counts = [training["channels_inside_blocks"] for training in inside]
    assert counts[1] < counts[0]
    assert inside[1]["prune"] == 0.3
    one, other = (load_keras(load_bundle(folder).verified_keras()) for folder in (thin, again))
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (thin / "model.float32.tflite").stat().st_size < (trained / "model.float32.tflite").stat().st_size

    told = train_tiny(plates, thin, next_one, *QUICKLY)
    assert told.exit_code == 0, told.output
    assert json.loads((next_one / "model.json").read_text())["training"]["channels_inside_blocks"] == counts[1]


def test_what_has_learnt_nothing_is_not_pruned(plates: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--prune is 0\.5, which takes channels out of a finished model; name one"):
        train_tiny(plates, weights, tmp_path / "out", "--prune", "0.5")
    assert not (tmp_path / "out").exists()
