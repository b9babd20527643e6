from __future__ import annotations

import json
import shutil
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
from linecore_models.pruning import BLOCKS, STEM, Block, Channels, choose, most, pruned, survey, widths_in
from linecore_models.recipe import GIVEN, Recipe
from tests.models.conftest import ALPHA, SIDE, train_tiny, write_plates

FIRST, SECOND, LAST = BLOCKS[1], BLOCKS[2], BLOCKS[-1]
QUICKLY = ("--head-epochs", "1", "--fine-tune-epochs", "0", "--head-rate", "1e-9", "--variants", "float32")


def build(widths: Mapping[str, int]) -> keras.Model:
    keras.utils.set_random_seed(5)
    return build_model(3, SIDE, weights=GIVEN, alpha=ALPHA, widths=widths)


def lively() -> keras.Model:
    """Return a network whose signals do not fade, as those of random weights would, until nothing mattered."""
    network, rng = build({}), np.random.default_rng(2)
    for layer in network.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(2, 3, layer.gamma.shape))
            layer.beta.assign(rng.uniform(-0.2, 0.6, layer.beta.shape))
            layer.moving_mean.assign(rng.uniform(-0.1, 0.1, layer.beta.shape))
            layer.moving_variance.assign(rng.uniform(0.8, 1.2, layer.beta.shape))
    return network


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
    return learner_of(lively())


@pytest.fixture(scope="module")
def known(learner: Learner, batch: tuple[tf.Tensor, ...], squares: np.ndarray) -> dict[Block, Channels]:
    return survey(learner, [batch], squares)


def maps(network: keras.Model, squares: np.ndarray) -> FloatArray:
    answers: FloatArray = network(squares[..., np.newaxis].astype(np.float32), training=False)["class_maps"].numpy()
    return answers


def learner_of(network: keras.Model) -> Learner:
    # The loss of the boxes is so large that float32 would round away what a small change of one channel changes.
    recipe = Recipe(weights=GIVEN, input_size=SIDE, batch_size=3, box_weight=0.05, overlap_weight=0)
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


def test_importance_is_the_squared_slope_of_the_loss_where_a_channel_fades_to_its_mean(
    learner: Learner, batch: tuple[tf.Tensor, ...], known: dict[Block, Channels]
) -> None:
    backbone = learner.model.get_layer("backbone")
    for block in (STEM, SECOND, BLOCKS[4], BLOCKS[8]):
        channel = int(known[block].importance.argmax())
        kernel, mean = backbone.get_layer(block.project).kernel, backbone.get_layer(block.project_norm).moving_mean
        whole, before = kernel.numpy(), mean.numpy()
        losses = []
        for share in (0.995, 1.005):
            faded = whole.copy()
            faded[:, :, channel] *= share
            kernel.assign(faded)
            mean.assign(before + (share - 1) * known[block].mean[channel] * whole[0, 0, channel])
            losses.append(learner.step(batch, 0.0, None).loss / 3)
        kernel.assign(whole)
        mean.assign(before)
        assert known[block].importance[channel] > 1e-7
        assert known[block].importance[channel] == pytest.approx(((losses[1] - losses[0]) / 0.01) ** 2, rel=0.05)


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


def test_channels_that_hand_on_a_constant_matter_least_and_are_not_missed(
    batch: tuple[tf.Tensor, ...], squares: np.ndarray
) -> None:
    network = lively()
    backbone = network.get_layer("backbone")
    constant = {STEM: [1, 4, 9], FIRST: [0, 2, 7, 30], LAST: [3, 200]}
    kept = {block: np.arange(backbone.get_layer(block.depthwise_norm).gamma.shape[0]) for block in BLOCKS}
    for block, numbers in constant.items():
        norm = backbone.get_layer(block.depthwise_norm)
        gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
        gamma[numbers], beta[numbers] = 0, 1.5
        norm.gamma.assign(gamma)
        norm.beta.assign(beta)
        kept[block] = np.delete(kept[block], numbers)
    known = survey(learner_of(network), [batch], squares)
    for block in (STEM, FIRST):
        assert (known[block].importance[constant[block]] < 1e-6 * known[block].importance.max()).all()
    narrow = pruned(network, known, kept, build)
    assert channels_inside(narrow)[FIRST.expand] == channels_inside(network)[FIRST.expand] - 4
    before, after = maps(network, squares), maps(narrow, squares)
    assert np.ptp(before, axis=0).max() > 0.01  # the pictures are told apart
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_the_widths_of_a_killed_run_are_those_of_its_weights(learner: Learner, known: dict[Block, Channels]) -> None:
    narrow = pruned(learner.model, known, choose(known, 0.3), build)
    weights = [np.array(variable) for variable in narrow.variables]
    assert widths_in(learner.model, weights) == channels_inside(narrow) != channels_inside(learner.model)


def test_at_most_three_quarters_of_the_sixteens_can_go(learner: Learner, known: dict[Block, Channels]) -> None:
    kept = choose(known, 1.0)
    costs = {block: one.cost * len(one.mean) for block, one in known.items()}
    left = sum(known[block].cost * len(numbers) for block, numbers in kept.items())
    assert most(learner.model) == pytest.approx(1 - left / sum(costs.values()))


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


def test_a_killed_run_goes_on_with_the_channels_that_it_had(
    plates: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out, options = tmp_path / "out", (*QUICKLY, "--prune", "0.3")
    with monkeypatch.context() as patch:
        patch.setattr("linecore_models.making.write_files", killed)
        train_tiny(plates, trained, out, *options)
    assert (out / "checkpoint.npz").is_file()
    monkeypatch.setattr("linecore_models.network.survey", killed)
    told = train_tiny(plates, trained, out, *options, "--resume")
    assert told.exit_code == 0, told.output
    assert load_bundle(out).verified_keras().is_file()


def test_more_than_can_go_is_refused_before_an_older_bundle_goes(plates: Path, trained: Path, tmp_path: Path) -> None:
    own = shutil.copytree(trained, tmp_path / "own")
    with pytest.raises(ConfigError, match=r"--prune is 0\.9, and no more than 0\.\d+ can go at once"):
        train_tiny(plates, trained, own, "--force", "--prune", "0.9")
    assert load_bundle(own).verified_keras().is_file()


def test_a_model_that_has_never_seen_a_label_is_not_pruned_for_it(trained: Path, tmp_path: Path) -> None:
    dents = write_plates(tmp_path / "dents", {"ok": 8, "patches": 8})
    (dents / "patches").rename(dents / "dents")
    with pytest.raises(ConfigError, match=r"--prune: .* has never seen 'dents'.*train without --prune"):
        train_tiny(dents, trained, tmp_path / "out", "--prune", "0.3")


def test_what_has_learnt_nothing_is_not_pruned(plates: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--prune is 0\.5, which takes channels out of a finished model; name one"):
        train_tiny(plates, weights, tmp_path / "out", "--prune", "0.5")
    assert not (tmp_path / "out").exists()
