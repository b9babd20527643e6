from __future__ import annotations

from pathlib import Path

import ai_edge_litert.interpreter
import keras
import numpy as np
import pytest

from linecore.inspection import FloatArray, Image
from linecore_models.answers import session_scores
from linecore_models.architecture import build_model, class_bias
from linecore_models.bundle import load_bundle
from linecore_models.export import convert, parity_of
from linecore_models.interpreter import Session, find_runtime
from linecore_models.manifest import VariantName
from tests.models.conftest import ALPHA, LEVELS, SIDE, draw

LABELS = tuple(LEVELS)


@pytest.fixture(scope="module")
def model(weights: Path) -> keras.Model:
    """A network at 64 px, with 4 x 4 maps, that was not trained but has numbers in its head."""
    model = build_model(3, 2 * SIDE, weights=str(weights), alpha=ALPHA)
    kernel = model.get_layer("class_maps").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.1, kernel.shape))
    model.get_layer("logits").bias.assign([0.5, -0.5, 0.25])
    return model


@pytest.fixture(scope="module")
def squares() -> Image:
    rng = np.random.default_rng(1)
    quarters = [[draw(LABELS[rng.integers(3)], rng) for _ in range(4)] for _ in range(20)]
    return np.stack([np.block([[a, b], [c, d]]) for a, b, c, d in quarters])


@pytest.fixture(scope="module")
def contents(model: keras.Model, squares: Image) -> dict[VariantName, bytes]:
    return convert(model, ["int8", "float16", "float32"], squares[:10])


@pytest.mark.parametrize(("variant", "tolerance"), [("float32", 1e-4), ("float16", 0.02), ("int8", 0.15)])
def test_every_variant_answers_like_keras_by_the_same_names(
    model: keras.Model,
    squares: Image,
    contents: dict[VariantName, bytes],
    variant: VariantName,
    tolerance: float,
) -> None:
    runtime = find_runtime()
    interpreter = runtime.make(model_content=contents[variant], num_threads=1)
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner("serving_default")
    for square in squares:
        image = square[np.newaxis, ..., np.newaxis].astype(np.float32)
        outputs = run(image=image)
        assert set(outputs) == {"scores", "class_maps", "embedding"}
        assert all(output.dtype == np.float32 for output in outputs.values())
        for name, truth in model(image, training=False).items():
            assert outputs[name] == pytest.approx(truth.numpy(), abs=tolerance * float(np.abs(truth).max()))


def test_int8_holds_whole_numbers_but_for_its_input_and_its_outputs(contents: dict[VariantName, bytes]) -> None:
    interpreter = ai_edge_litert.interpreter.Interpreter(model_content=contents["int8"])
    interpreter.allocate_tensors()
    ends = {entry["index"] for entry in interpreter.get_input_details() + interpreter.get_output_details()}
    inside = {entry["dtype"] for entry in interpreter.get_tensor_details() if entry["index"] not in ends}
    assert len(ends) == 4
    assert inside <= {np.int8, np.int32}


def test_the_mean_of_a_float_variants_class_map_plus_the_bias_is_the_logit(
    model: keras.Model, squares: Image, contents: dict[VariantName, bytes]
) -> None:
    interpreter = find_runtime().make(model_content=contents["float32"], num_threads=1)
    interpreter.allocate_tensors()
    outputs = interpreter.get_signature_runner("serving_default")(image=squares[:1, ..., np.newaxis].astype(np.float32))
    logits = outputs["class_maps"][0].mean(axis=(0, 1)) + class_bias(model)
    assert outputs["scores"][0] == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=1e-5)


def scores(answers: list[int], labels: int = 2) -> FloatArray:
    return np.eye(labels, dtype=np.float32)[answers] * 0.8 + np.float32(0.1)


def test_parity_counts_agreement_change_and_recall() -> None:
    truth = np.array([0] * 100 + [1] * 100)
    keras_answers, ours = truth.tolist(), truth.tolist()
    ours[0] = 1
    parity = parity_of(scores(keras_answers), scores(ours), truth, ("ok", "scratches"), relative_speed=1.5)
    assert (parity.top1_agreement.agree, parity.top1_agreement.of) == (199, 200)
    assert parity.max_probability_change == pytest.approx(0.8)
    assert parity.recall_change == pytest.approx({"ok": -0.01, "scratches": 0.0})
    assert parity.relative_speed == 1.5
    assert parity.passed


def test_too_little_agreement_does_not_pass() -> None:
    truth = np.array([0] * 100 + [1] * 100)
    ours = truth.copy()
    ours[[0, 100, 101]] = 1 - ours[[0, 100, 101]]
    assert not parity_of(scores(truth.tolist()), scores(ours.tolist()), truth, ("a", "b"), relative_speed=None).passed


def test_a_rare_label_that_is_lost_does_not_pass_however_high_the_agreement() -> None:
    truth = np.array([0] * 990 + [1] * 10)
    ours = truth.copy()
    ours[-1] = 0
    parity = parity_of(scores(truth.tolist()), scores(ours.tolist()), truth, ("ok", "crazing"), relative_speed=None)
    assert parity.top1_agreement.share == 0.999
    assert parity.recall_change["crazing"] == pytest.approx(-0.1)
    assert not parity.passed


def test_a_label_without_held_out_frames_is_left_out_of_the_recalls() -> None:
    truth = np.zeros(5, np.int64)
    parity = parity_of(scores([0] * 5), scores([0] * 5), truth, ("ok", "crazing"), relative_speed=None)
    assert parity.recall_change == {"ok": 0.0}
    assert parity.passed


def test_a_bundles_figures_are_those_of_its_very_files(trained: Path, plates: Path) -> None:
    from linecore_models.dataset import label_indices, load_squares, read_folders

    bundle = load_bundle(trained)
    manifest = bundle.manifest
    held = {name for names in manifest.split.files.values() for name in names}
    images = [image for image in read_folders([plates]) if image.name in held]
    truth = label_indices(images, manifest.labels)
    squares = load_squares(images, manifest.input_size, manifest.resize)
    for variant in manifest.variants:
        file = bundle.verified(variant)
        answers = session_scores(Session(find_runtime(), file, file.read_bytes(), manifest), squares).argmax(axis=1)
        parity = manifest.variants[variant].parity
        assert parity is not None
        assert parity.top1_agreement.of == len(images) == 18
        tests = np.array([image.name in manifest.split.files["test"] for image in images])
        assert manifest.variants[variant].test["plates"].correct == (answers == truth)[tests].sum()
