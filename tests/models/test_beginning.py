from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from linecore.errors import ConfigError
from linecore_models.architecture import build_model
from linecore_models.beginning import begin_from, finished_model
from linecore_models.bundle import Bundle, load_bundle
from linecore_models.commands.train import train
from linecore_models.keras_file import load_keras
from linecore_models.recipe import GIVEN, IMAGENET, NO_WEIGHTS
from tests.models.conftest import ALPHA, SIDE, train_tiny


@pytest.fixture(scope="module")
def bundle(trained: Path) -> Bundle:
    """The tiny finished model: ok, patches, scratches."""
    return load_bundle(trained)


def builder(labels: int, alpha: float = ALPHA) -> Callable[[Mapping[str, int]], keras.Model]:
    def build(widths: Mapping[str, int]) -> keras.Model:
        keras.utils.set_random_seed(7)
        return build_model(labels, SIDE, weights=GIVEN, alpha=alpha, widths=widths)

    return build


def test_a_bundle_is_a_finished_model_by_its_folder_and_a_shipped_one_by_its_name(trained: Path) -> None:
    by_folder, by_name = finished_model(str(trained)), finished_model("neu")
    assert by_folder is not None
    assert by_name is not None
    assert (by_folder.manifest.name, by_name.manifest.name) == ("tiny", "neu")


def test_backbone_weights_are_no_finished_model(weights: Path) -> None:
    assert [finished_model(given) for given in (IMAGENET, NO_WEIGHTS, str(weights), "/nowhere.h5")] == [None] * 4


def test_with_the_same_labels_it_says_what_the_finished_model_says(bundle: Bundle) -> None:
    begun = begin_from(builder(3), bundle.manifest.labels, bundle)
    squares = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 1)).astype(np.float32)
    taught = load_keras(bundle.verified_keras())
    np.testing.assert_allclose(begun(squares)["scores"], taught(squares)["scores"], atol=1e-5)


def test_a_label_keeps_its_map_wherever_it_stands_and_a_new_one_begins_as_it_was(bundle: Bundle) -> None:
    labels = ("dents", "scratches", "ok")
    begun, untouched, taught = (
        begin_from(builder(3), labels, bundle),
        builder(3)({}),
        load_keras(bundle.verified_keras()),
    )
    for name in ("evidence", "logits"):
        for now, new, old in zip(
            *(one.get_layer(name).get_weights() for one in (begun, untouched, taught)), strict=True
        ):
            assert np.array_equal(now[..., 0], new[..., 0])
            assert np.array_equal(now[..., 1], old[..., bundle.manifest.labels.index("scratches")])
            assert np.array_equal(now[..., 2], old[..., bundle.manifest.labels.index("ok")])


def test_a_model_of_another_width_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"built otherwise: its layer 'backbone' does not fit; leave --alpha out"):
        begin_from(builder(3, alpha=0.5), bundle.manifest.labels, bundle)


def test_a_model_without_the_parts_of_one_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Conv2D(3, 1)])
    monkeypatch.setattr("linecore_models.beginning.load_keras", lambda path: foreign)
    with pytest.raises(ConfigError, match=r"built otherwise: its layer 'backbone' does not fit"):
        begin_from(builder(3), bundle.manifest.labels, bundle)


def test_a_bundle_without_its_keras_file_is_refused(trained: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(trained, tmp_path / "bare")
    (bare / "model.keras").unlink()
    with pytest.raises(ConfigError, match=r"from which nothing can begin: .*model\.keras is not there"):
        finished_model(str(bare))


def test_training_that_begins_from_a_bundle_says_from_which(plates: Path, trained: Path, tmp_path: Path) -> None:
    quick = ("--head-epochs", "1", "--fine-tune-epochs", "0", "--head-rate", "1e-9", "--variants", "float32")
    told = train_tiny(plates, trained, tmp_path / "next", *quick)
    assert told.exit_code == 0, told.output
    squares = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 1)).astype(np.float32)
    before, after = (load_keras(folder / "model.keras")(squares) for folder in (trained, tmp_path / "next"))
    np.testing.assert_allclose(after["class_maps"], before["class_maps"], atol=1e-3)
    training = json.loads((tmp_path / "next" / "model.json").read_text())["training"]
    assert training["weights"] == "tiny 1"
    assert len(training["weights_sha256"]) == 64


def test_how_it_is_built_and_what_it_sees_is_the_finished_models_unless_given(
    plates: Path, trained: Path, tmp_path: Path
) -> None:
    quick = ["--head-epochs", 1, "--fine-tune-epochs", 0, "--variants", "float32", "--batch-size", 8]
    options = ["--weights", trained, "--out", tmp_path / "next", "--resize", "linear", *quick]
    told = CliRunner().invoke(train, [str(one) for one in (plates, *options)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    before, after = load_bundle(trained).manifest, load_bundle(tmp_path / "next").manifest
    assert (before.input_size, before.resize, before.even_contrast) == (SIDE, "area", 0)
    assert (after.input_size, after.resize, after.even_contrast) == (SIDE, "linear", 0)
    assert after.training["alpha"] == ALPHA


def test_a_misspelt_model_is_named_before_an_older_bundle_goes(plates: Path, trained: Path, tmp_path: Path) -> None:
    own = shutil.copytree(trained, tmp_path / "own")
    with pytest.raises(ConfigError, match=r"--weights is no file, and no model to begin from: 'nue'"):
        train_tiny(plates, Path("nue"), own, "--force")
    assert load_bundle(own).verified_keras().is_file()


def test_the_model_that_training_begins_from_is_not_replaced_by_it(plates: Path, trained: Path, tmp_path: Path) -> None:
    own = shutil.copytree(trained, tmp_path / "own")
    with pytest.raises(ConfigError, match=r"the model that --weights begins from; name another folder with --out"):
        train_tiny(plates, own, own, "--force")
    assert load_bundle(own).verified_keras().is_file()


def test_a_spread_that_has_no_effect_is_refused(plates: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none is mined; give --boxes, or leave it out"):
        train_tiny(plates, Path("none"), tmp_path / "out", "--spread", "scratches")
    with pytest.raises(ConfigError, match=r"--spread is 'dents', which is no class of the data"):
        train_tiny(plates, Path("none"), tmp_path / "out", "--spread", "dents")
