from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from linecore.errors import ModelError
from linecore_models.bundle import Bundle, find_bundle, load_bundle, write_manifest
from linecore_models.manifest import Manifest, Parity
from tests.bundles import BIAS, LABELS, PASSED, add_novelty, tiny_manifest


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    """A bundle that a test may spoil."""
    return load_bundle(Path(shutil.copytree(tiny_bundle, tmp_path / "mine")))


def with_parity(bundle: Bundle, parity: Parity | None) -> Bundle:
    """Return *bundle* as if its int8 variant had this parity."""
    int8 = bundle.manifest.variants["int8"].model_copy(update={"parity": parity})
    variants = {**bundle.manifest.variants, "int8": int8}
    return Bundle(bundle.folder, bundle.manifest.model_copy(update={"variants": variants}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest = tiny_manifest({})
    assert write_manifest(tmp_path, manifest) == tmp_path / "model.json"
    assert load_bundle(tmp_path).manifest == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_a_sound_bundle_serves_every_variant(bundle: Bundle) -> None:
    assert bundle.servable() == ["int8", "float16", "float32"]
    assert bundle.verified("float16") == bundle.folder / "model.float16.tflite"
    assert bundle.verified_keras() == bundle.folder / "model.keras"


@pytest.mark.parametrize("content", [b"", b"no model"], ids=["truncated", "overwritten"])
def test_a_damaged_file_is_refused(bundle: Bundle, content: bytes) -> None:
    (bundle.folder / "model.int8.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=r"int8\.tflite is damaged: its sha256 begins with \w{12}, model\.json says"):
        bundle.verified("int8")


def test_a_damaged_keras_file_is_refused(bundle: Bundle) -> None:
    with (bundle.folder / "model.keras").open("ab") as file:
        file.write(b"!")
    with pytest.raises(ModelError, match=r"model\.keras is damaged"):
        bundle.verified_keras()


def test_a_variant_that_was_not_compared_is_refused(bundle: Bundle) -> None:
    spoilt = with_parity(bundle, None)
    assert spoilt.servable() == ["float16", "float32"]
    with pytest.raises(ModelError, match="was never compared with Keras"):
        spoilt.verified("int8")


def test_a_variant_that_answers_differently_is_refused(bundle: Bundle) -> None:
    agreement = PASSED.top1_agreement.model_copy(update={"agree": 7})
    spoilt = with_parity(bundle, PASSED.model_copy(update={"top1_agreement": agreement, "passed": False}))
    assert spoilt.servable() == ["float16", "float32"]
    with pytest.raises(ModelError, match=r"on only 7 of 10 frames and is not served.*\(float16, float32\)"):
        spoilt.verified("int8")


def test_a_word_changed_by_hand_does_not_make_a_variant_fit(bundle: Bundle) -> None:
    agreement = PASSED.top1_agreement.model_copy(update={"agree": 7})
    spoilt = with_parity(bundle, PASSED.model_copy(update={"top1_agreement": agreement, "passed": True}))
    assert spoilt.servable() == ["float16", "float32"]
    with pytest.raises(ModelError, match="on only 7 of 10 frames and is not served"):
        spoilt.verified("int8")


def test_a_variant_that_loses_a_label_says_which(bundle: Bundle) -> None:
    change = {"ok": 0.0, "patches": -0.03, "scratches": 0.01}
    spoilt = with_parity(bundle, PASSED.model_copy(update={"recall_change": change}))
    assert "int8" not in spoilt.servable()
    with pytest.raises(ModelError, match=r"finds 3\.0 % fewer of 'patches' than the Keras model and is not served"):
        spoilt.verified("int8")


def test_a_variant_that_its_makers_marked_is_refused_whatever_its_figures(bundle: Bundle) -> None:
    spoilt = with_parity(bundle, PASSED.model_copy(update={"passed": False}))
    with pytest.raises(ModelError, match="is marked as not passed and is not served"):
        spoilt.verified("int8")


def test_a_variant_whose_file_is_gone_is_not_servable(bundle: Bundle) -> None:
    (bundle.folder / "model.int8.tflite").unlink()
    assert bundle.servable() == ["float16", "float32"]
    with pytest.raises(ModelError, match=r"int8\.tflite is not there although model\.json lists it"):
        bundle.verified("int8")


def test_a_variant_that_was_not_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no variant 'int8'; it has none"):
        Bundle(tmp_path, tiny_manifest({})).verified("int8")


def test_a_bundle_may_have_no_keras_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no Keras model"):
        Bundle(tmp_path, tiny_manifest({})).verified_keras()


def test_a_bundle_needs_its_folder_and_its_model_json(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"/gone is no folder; a model is a folder that holds model\.json"):
        load_bundle(tmp_path / "gone")
    with pytest.raises(ModelError, match=r"holds no model\.json; name the folder"):
        load_bundle(tmp_path)


def test_model_json_must_be_json(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"name": ')
    with pytest.raises(ModelError, match=r"model\.json is not valid JSON: .*line 1 column 10"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"input_size": 48', '"input_size": "large"', "input_size is 'large'; it must be a valid integer"),
        ('"resize": "area"', '"resize": "cubic"', "resize is 'cubic'; it must be 'linear' or 'area'"),
        ('"licence": "Apache-2.0"', '"license": "Apache-2.0"', "license is not a known key; did you mean 'licence'?"),
        ('"temperature": 1.0', '"temperature": 0', "temperature is 0; it must be greater than 0"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = write_manifest(tmp_path, tiny_manifest({}))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError) as raised:
        load_bundle(tmp_path)
    assert f"{path}: {sentence}" in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": ("ok", "ok", "scratches")}, "labels must name each label once"),
        ({"pass_labels": ("fine",)}, "pass_labels holds 'fine', which is none of the labels"),
        ({"bias": {"ok": 0.0}}, "bias must hold one number for each of the labels"),
        ({"variants": {"int8": {"file": "../x", "sha256": "0" * 64, "bytes": 1}}}, "String should match pattern"),
        ({"wavelength": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changed: dict[str, Any], sentence: str) -> None:
    assert BIAS.keys() == set(LABELS)
    with pytest.raises(ValueError, match=sentence):
        Manifest.model_validate({**tiny_manifest({}).model_dump(), **changed})


def test_a_bundled_model_is_found_by_its_name(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linecore_models.bundle.BUNDLED", tiny_bundle.parent)
    (tmp_path / "tiny").mkdir()
    assert find_bundle("tiny", tmp_path) == tiny_bundle
    assert find_bundle("./tiny", tmp_path) == tmp_path / "tiny"
    with pytest.raises(ModelError, match=r"'tinny' is neither a bundled model nor a folder.*; did you mean 'tiny'\?"):
        find_bundle("tinny", tmp_path)
    (tmp_path / "mine.keras").touch()
    with pytest.raises(ModelError, match=r"'mine\.keras' is neither a bundled model nor a folder \(.* is a file\)"):
        find_bundle("mine.keras", tmp_path)


def test_a_folder_of_ones_own_is_relative_or_absolute(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert find_bundle("models/mine", tmp_path) == tmp_path / "models" / "mine"
    assert find_bundle(str(tmp_path / "models"), Path("/elsewhere")) == tmp_path / "models"


def test_novelty_statistics_are_part_of_a_bundle_that_has_them(bundle: Bundle) -> None:
    assert bundle.novelty() is None
    bundle = load_bundle(add_novelty(bundle.folder))
    novelty = bundle.novelty()
    assert novelty is not None
    novelty.require(2)
    with (bundle.folder / "novelty.npz").open("ab") as file:
        file.write(b"!")
    with pytest.raises(ModelError, match=r"novelty\.npz is damaged"):
        bundle.novelty()
