from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from linecore.errors import ConfigError, ModelError
from linecore_models.bundle import load_bundle, sha256_of
from linecore_models.commands.evaluate import evaluate
from linecore_models.commands.train import train
from linecore_models.division import Division
from linecore_models.splits import divide
from tests.models.conftest import ALPHA, QUICKLY, SIDE, train_tiny, write_plates


def run_evaluate(*arguments: object) -> str:
    told = CliRunner().invoke(evaluate, [str(argument) for argument in arguments], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.output


def test_training_writes_a_bundle_that_can_be_served(trained: Path) -> None:
    bundle = load_bundle(trained)
    assert sorted(path.name for path in trained.iterdir()) == [
        "model.float32.tflite",
        "model.int8.tflite",
        "model.json",
        "model.keras",
        "novelty.npz",
        "training.csv",
        "training.json",
        "training.png",
    ]
    assert bundle.servable() == ["int8", "float32"]
    assert bundle.verified("int8").stat().st_size == bundle.manifest.variants["int8"].bytes
    assert bundle.verified_keras().is_file()
    manifest = bundle.manifest
    assert (manifest.name, manifest.version) == ("tiny", "1")
    assert manifest.labels == ("ok", "patches", "scratches")
    assert manifest.pass_labels == ("ok",)
    assert manifest.input_size == SIDE
    assert manifest.bias.keys() == set(manifest.labels)


def test_model_json_tells_how_the_model_was_made_and_how_good_it_is(trained: Path, weights: Path) -> None:
    manifest = load_bundle(trained).manifest
    assert manifest.data.counts == {"ok": 20, "patches": 20, "scratches": 20}
    assert manifest.data.folders.keys() == {"plates"}
    assert len(manifest.split.files["test"]) == len(manifest.split.files["validation"]) == 9
    assert all(re.fullmatch(r"plates/(\w+)/\1_\d+\.png", name) for name in manifest.split.files["test"])
    assert manifest.training["weights"] == "tiny.weights.h5"
    assert manifest.training["weights_sha256"] == sha256_of(weights)
    assert manifest.training["alpha"] == ALPHA
    assert manifest.training["epochs_run"] == 3
    assert 0 <= float(str(manifest.training["good_product_lowered_by"])) <= 3
    test = manifest.metrics["test"]
    assert (test.correct, test.of) == (9, 9)
    assert test.folders["plates"].correct == 9
    assert manifest.variants["int8"].test["plates"].of == 9
    with (trained / "training.csv").open() as log:
        assert len(list(csv.DictReader(log))) == 3


def test_nothing_in_model_json_tells_where_the_files_lay(trained: Path, plates: Path) -> None:
    assert str(plates.parent) not in (trained / "model.json").read_text()


CARD = """
licence = "Ours."
limits = ["Plates only."]
sources = ["drawn plates"]
"""


@pytest.fixture(scope="module")
def retrained(plates: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder whose old bundle was replaced by one that was made with other options, and what was said meanwhile."""
    out = tmp_path_factory.mktemp("retrained")
    for name in ("model.json", "model.keras", "checkpoint.npz"):
        (out / name).write_bytes(b"old")
    (out / "model.int8.tflite").write_bytes(b"old")
    card = out / "card.toml"
    card.write_text(CARD)
    with pytest.raises(ConfigError, match="which holds a model already; name a new folder, or replace it with --force"):
        train_tiny(plates, weights, out)
    options = [
        "--weight",
        "plates",
        "0.5",
        "--variants",
        "float16",
        "--no-keras",
        "--pass-label",
        "patches",
        "--pass-label",
        "ok",
        "--validation-share",
        "0.1",
        "--unknown",
        str(write_plates(tmp_path_factory.mktemp("others") / "gloves", {"patches": 3}, seed=9)),
        "--force",
        "--resume",  # there is nothing to go on with beside a finished bundle
    ]
    told = train_tiny(plates, weights, out, *QUICKLY, "--card", str(card), *options)
    assert told.exit_code == 0
    return out, told.output


def test_an_older_bundle_is_replaced_by_force_and_nothing_else_is(retrained: tuple[Path, str]) -> None:
    left = {path.name for path in retrained[0].iterdir()}
    run_files = {"training.csv", "training.json", "training.png"}
    assert left == {"model.json", "model.float16.tflite", "novelty.npz", "card.toml"} | run_files


def test_a_bundle_lists_only_what_it_holds(retrained: tuple[Path, str]) -> None:
    manifest = load_bundle(retrained[0]).manifest
    assert list(manifest.variants) == ["float16"]
    assert manifest.keras is None
    parity = manifest.variants["float16"].parity
    assert parity is not None
    assert parity.top1_agreement.of == 15  # measured against Keras all the same


def test_the_card_goes_into_model_json(retrained: tuple[Path, str]) -> None:
    manifest = load_bundle(retrained[0]).manifest
    assert manifest.licence == "Ours."
    assert manifest.limits == ("Plates only.",)
    assert manifest.data.sources == ("drawn plates",)
    assert manifest.pass_labels == ("patches", "ok")
    assert manifest.training["weight_of_plates"] == 0.5


def test_novelty_has_learnt_the_pictures_of_other_surfaces(retrained: tuple[Path, str], trained: Path) -> None:
    out, told = retrained
    novelty, usual = (load_bundle(folder).manifest.novelty for folder in (out, trained))
    assert novelty is not None
    assert usual is not None
    assert {folder: len(images) for folder, images in novelty.unknown.items()} == {"gloves": 3}
    assert usual.unknown == {}
    assert "novelty learnt 3 of 3 images of gloves" in told


def test_good_product_that_would_not_validate_is_told_before_the_training(
    plates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = divide

    def without_patches(images: object, split: object, seed: int, validation: float) -> Division:
        division = real(images, split, seed, validation)  # type: ignore[arg-type]
        return replace(division, validation=tuple(one for one in division.validation if one.label != "patches"))

    monkeypatch.setattr("linecore_models.material.divide", without_patches)
    with pytest.raises(ConfigError, match=r"with --validation-share 0\.05 no image of 'patches' validates"):
        train_badly(plates, "--out", tmp_path / "b", "--weights", "none", "--validation-share", "0.05")


def test_model_json_tells_how_large_a_share_validated(retrained: tuple[Path, str], trained: Path) -> None:
    manifest, usual = (load_bundle(folder).manifest for folder in (retrained[0], trained))
    assert manifest.training["validation_share"] == 0.1
    assert manifest.split.fractions == {"train": 0.75, "validation": 0.1, "test": 0.15}
    assert {name: len(files) for name, files in manifest.split.files.items()} == {"validation": 6, "test": 9}
    assert manifest.split.files["test"] == usual.split.files["test"]


def test_training_says_each_epoch_and_the_figures(retrained: tuple[Path, str]) -> None:
    out, told = retrained
    assert re.search(r"ok +15 +2 +3 +20", told)
    assert re.search(r"epoch   2   backbone frozen   loss \d\.\d{3}   accuracy \d+\.\d%   validation: loss ", told)
    assert re.search(r"test, plates: \d of 9 correct, \d+\.\d% \(95 % interval .*\), 0 escapes, ", told)
    assert re.search(r"float16 +0\.\d +\d\.\d\d x +15 of 15 +0\.0\d\d +yes", told)
    assert re.search(
        r"temperature \d\.\d\d, ask a person below a confidence of 0\.\d+, and above a novelty of 0\.998", told
    )
    assert f"bundle in {out}" in told


def train_badly(*arguments: object) -> None:
    CliRunner().invoke(train, [str(argument) for argument in arguments], catch_exceptions=False)


def test_what_is_asked_wrongly_is_told_before_the_training(plates: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    with pytest.raises(ConfigError, match="nowhere is no folder"):
        train_badly(tmp_path / "nowhere", "--out", out)
    with pytest.raises(ConfigError, match="--variants names 'int4'; it takes int8, float16, float32"):
        train_badly(plates, "--out", out, "--variants", "int8,int4")
    with pytest.raises(ConfigError, match="--pass-label is 'good', which is no class of the data; it has ok, patches"):
        train_badly(plates, "--out", out, "--pass-label", "good")
    with pytest.raises(ConfigError, match="--weight names 'plate', which is no data folder; there is plates"):
        train_badly(plates, "--out", out, "--weight", "plate", "0.5")
    with pytest.raises(ConfigError, match=r"--card is '.*absent.toml', which cannot be read"):
        train_badly(plates, "--out", out, "--card", tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="--unknown is '.*absent', which is no folder; name one that holds images"):
        train_badly(plates, "--out", out, "--unknown", tmp_path / "absent")
    with pytest.raises(
        ConfigError, match=r"--weights is no file, .*'absent.h5' is neither a bundled model nor a folder"
    ):
        train_badly(plates, "--out", out, "--weights", "absent.h5")
    few = write_plates(tmp_path / "few", {"ok": 20, "patches": 3})
    with pytest.raises(ConfigError, match="class 'patches' of few has 3 images"):
        train_badly(few, "--out", out)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="which is a file; name a folder"):
        train_badly(plates, "--out", tmp_path / "file")


def test_what_is_asked_wrongly_takes_no_older_bundle_away(plates: Path, tmp_path: Path) -> None:
    (out := tmp_path / "old").mkdir()
    files = ("model.json", "model.keras", "model.int8.tflite", "training.json")
    for name in files:
        (out / name).write_text("old")
    for wrong in (
        ("--unknown", tmp_path / "absent"),
        ("--boxes", tmp_path / "absent.csv"),
        ("--split", f"{tmp_path}/absent.csv:coil"),
        ("--per-epoch", "plate", "5"),
    ):
        with pytest.raises(ConfigError):
            train_badly(plates, "--out", out, "--force", "--weights", "none", *wrong)
    assert {name: (out / name).read_text() for name in files} == dict.fromkeys(files, "old")


def test_evaluating_takes_exactly_the_test_images(trained: Path, plates: Path) -> None:
    told = json.loads(run_evaluate(trained, plates, "--json"))
    assert (told["model"], told["variant"], told["split"]) == ("tiny", "int8", "test")
    assert (told["metrics"]["correct"], told["metrics"]["of"]) == (9, 9)
    assert told["interval"] == pytest.approx([0.7008, 1.0], abs=1e-4)
    assert told["metrics"]["confusion"] == [[3, 0, 0], [0, 3, 0], [0, 0, 3]]


@pytest.mark.parametrize(("part", "count"), [("test", 9), ("validation", 9), ("train", 42), ("all", 60)])
def test_each_part_of_the_split_can_be_chosen(trained: Path, plates: Path, part: str, count: int) -> None:
    told = json.loads(run_evaluate(trained, plates, "--json", "--split", part, "--variant", "float32"))
    assert told["metrics"]["of"] == count


def test_two_variants_are_compared(trained: Path, plates: Path) -> None:
    told = json.loads(run_evaluate(trained, plates, "--json", "--split", "all", "--against", "keras"))
    assert (told["against"], told["agreement"]) == ("keras", {"agree": 60, "of": 60})


def test_a_person_reads_counts_a_matrix_and_shares_within_100_columns(trained: Path, plates: Path) -> None:
    told = run_evaluate(trained, plates, "--against", "keras")
    assert "tiny 1, int8, test" in told
    assert "plates: 9 of 9 correct, 100.0% (95 % interval 70.1% to 100.0%), 0 escapes, 0 overkill" in told
    assert re.search(r"2 patches +· +3 +· +100\.0% +100\.0% +100\.0%", told)
    assert "int8 and keras say the same of 9 of 9" in told
    assert max(map(len, told.splitlines())) <= 100


def test_a_class_that_the_model_does_not_know_is_named(trained: Path, tmp_path: Path) -> None:
    folder = write_plates(tmp_path / "others", {"ok": 1})
    (folder / "ok").rename(folder / "scratched")
    with pytest.raises(ConfigError, match="scratched is a class that tiny does not know; did you mean 'scratches'"):
        run_evaluate(trained, folder, "--split", "all")


def test_data_without_any_test_image_is_told(trained: Path, tmp_path: Path) -> None:
    folder = write_plates(tmp_path / "others", {"ok": 3})
    with pytest.raises(ConfigError, match=r"none of the 9 test images of tiny 1, which are called like plates/ok/ok_"):
        run_evaluate(trained, folder)


def test_training_images_are_told_only_of_the_very_same_data(trained: Path, plates: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(plates, tmp_path / "plates")
    assert json.loads(run_evaluate(trained, copy, "--split", "train", "--json"))["metrics"]["of"] == 42
    (copy / "ok" / "ok_1.png").unlink()
    with pytest.raises(ConfigError, match="plates is not, or no longer, what tiny 1 was trained on"):
        run_evaluate(trained, copy, "--split", "train")


def test_an_unknown_model_and_a_missing_variant_are_told(trained: Path, plates: Path) -> None:
    with pytest.raises(ModelError, match="neither a bundled model nor a folder"):
        run_evaluate("no-such-model", plates)
    with pytest.raises(ModelError, match="has no variant 'float16'"):
        run_evaluate(trained, plates, "--variant", "float16")
