from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from linecore.errors import ConfigError, ModelError
from linecore_models.answers import bundle_answers
from linecore_models.bundle import load_bundle
from linecore_models.commands.evaluate import evaluate
from linecore_models.commands.export import export
from linecore_models.dataset import load_squares, read_folders
from tests.models.conftest import write_plates


def run_export(*arguments: object) -> str:
    told = CliRunner().invoke(export, [str(argument) for argument in arguments], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.output


@pytest.fixture(scope="module")
def exported(trained: Path, plates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "small"
    told = run_export(trained, plates, "--variant", "float16", "--no-keras", "--out", out)
    assert "against the Keras model" in told
    return out


def test_only_what_is_asked_for_is_written(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == ["model.float16.tflite", "model.json", "novelty.npz"]


def test_the_new_files_are_measured_on_the_same_frames_and_all_else_stays(exported: Path, trained: Path) -> None:
    before, after = load_bundle(trained), load_bundle(exported)
    assert after.servable() == ["float16"]
    parity, old = after.manifest.variants["float16"].parity, before.manifest.variants["float32"].parity
    assert parity is not None
    assert old is not None
    assert parity.top1_agreement.of == old.top1_agreement.of
    assert parity.conditions.keys() == old.conditions.keys()
    anew = {"variants", "keras", "temperature", "min_confidence", "novelty"}
    assert after.manifest.model_dump(exclude=anew) == before.manifest.model_dump(exclude=anew)


def test_how_far_to_trust_it_is_measured_anew_by_the_new_file(exported: Path, trained: Path) -> None:
    before, after = load_bundle(trained), load_bundle(exported)
    assert before.manifest.novelty is not None
    assert after.manifest.novelty is not None
    assert (before.manifest.novelty.variant, after.manifest.novelty.variant) == ("int8", "float16")
    assert after.novelty() is not None


def test_the_new_file_answers_like_the_keras_model(exported: Path, trained: Path, plates: Path) -> None:
    bundle = load_bundle(trained)
    squares = load_squares(read_folders([plates])[:6], bundle.manifest.preprocessing)
    ours = bundle_answers(load_bundle(exported), "float16", squares).class_maps
    assert ours == pytest.approx(bundle_answers(bundle, "keras", squares).class_maps, abs=0.05)


def test_what_cannot_be_exported_is_one_sentence(trained: Path, exported: Path, plates: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no Keras model"):
        run_export(exported, plates)
    with pytest.raises(ConfigError, match="--no-keras would leave the bundle without what it is exported from"):
        run_export(trained, plates, "--no-keras")
    with pytest.raises(ConfigError, match="which holds a model already; name a new folder"):
        run_export(trained, plates, "--out", exported)
    other = write_plates(tmp_path / "plates", {"ok": 7, "patches": 7}, seed=5)
    with pytest.raises(ConfigError, match="is not, or no longer, what tiny 1 was trained on"):
        run_export(trained, other, "--out", tmp_path / "new")
    assert not (tmp_path / "new" / "model.json").exists()


def test_a_card_takes_the_place_of_what_the_old_one_said(trained: Path, plates: Path, tmp_path: Path) -> None:
    (card := tmp_path / "card.toml").write_text('licence = "Ours."\nlimits = ["Plates only."]\n')
    run_export(trained, plates, "--variant", "float32", "--card", card, "--out", tmp_path / "new")
    manifest = load_bundle(tmp_path / "new").manifest
    assert (manifest.licence, manifest.limits) == ("Ours.", ("Plates only.",))
    assert manifest.data.sources == load_bundle(trained).manifest.data.sources


def test_novelty_learns_other_surfaces_and_says_when_it_is_made_to_forget_them(
    trained: Path, plates: Path, tmp_path: Path
) -> None:
    others = write_plates(tmp_path / "gloves", {"patches": 4}, seed=8)
    mine = tmp_path / "mine"
    told = run_export(trained, plates, "--variant", "float32", "--unknown", others, "--out", mine)
    assert "had learnt" not in told
    assert "novelty learnt 4 of 4 images of gloves" in told
    novelty = load_bundle(mine).manifest.novelty
    assert novelty is not None
    assert {folder: len(images) for folder, images in novelty.unknown.items()} == {"gloves": 4}
    with pytest.raises(ConfigError, match="--unknown is 'gloves': 4 of its 4 images taught tiny what is novel"):
        CliRunner().invoke(evaluate, [str(mine), str(plates), "--unknown", str(others)], catch_exceptions=False)
    moved = shutil.copytree(others, tmp_path / "cloths")
    (moved / "patches" / "patches_1.png").rename(moved / "renamed.png")
    with pytest.raises(ConfigError, match="--unknown is 'cloths': 4 of its 4 images taught tiny what is novel"):
        CliRunner().invoke(evaluate, [str(mine), str(plates), "--unknown", str(moved)], catch_exceptions=False)
    told = run_export(mine, plates, "--variant", "float32", "--unknown", moved, "--out", tmp_path / "again")
    assert "had learnt" not in told  # the same pictures, whatever they are called
    told = run_export(mine, plates, "--variant", "float32")
    assert "tiny 1 had learnt 4 images of gloves as other surfaces, which the new model is not shown" in told
    after = load_bundle(mine).manifest.novelty
    assert after is not None
    assert after.unknown == {}


def test_a_bundle_may_be_exported_in_place(trained: Path, plates: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(trained, tmp_path / "mine"))
    run_export(mine, plates, "--variant", "float32")
    assert load_bundle(mine).servable() == ["float32"]
    assert load_bundle(mine).verified_keras().is_file()
    assert not (mine / "model.int8.tflite").exists()
