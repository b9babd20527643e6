from __future__ import annotations

from pathlib import Path

import ai_edge_litert.interpreter
import keras
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import Image
from linecore_models.architecture import build_model, class_bias
from linecore_models.conversion import convert
from linecore_models.interpreter import find_runtime
from linecore_models.manifest import VariantName
from tests.models.conftest import ALPHA, LEVELS, SIDE, draw

LABELS = tuple(LEVELS)


@pytest.fixture(scope="module")
def model(weights: Path) -> keras.Model:
    """A network at 64 px, with 4 x 4 maps, that was not trained but has numbers in its head."""
    model = build_model(3, 2 * SIDE, weights=str(weights), alpha=ALPHA)
    kernel = model.get_layer("evidence").kernel
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


@pytest.mark.parametrize(("variant", "tolerance"), [("int8", 0.01), ("float16", 0.001)])  # uncorrected: 0.014, 0.004
def test_rounding_does_not_shift_the_logits(
    model: keras.Model,
    squares: Image,
    contents: dict[VariantName, bytes],
    variant: VariantName,
    tolerance: float,
) -> None:
    interpreter = find_runtime().make(model_content=contents[variant], num_threads=1)
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner("serving_default")
    images = squares[:10, ..., np.newaxis].astype(np.float32)
    rounded = np.log([run(image=image[np.newaxis])["scores"][0] for image in images])
    true = np.log(model(images, training=False)["scores"].numpy())
    shift = (rounded - rounded.mean(axis=1, keepdims=True) - true + true.mean(axis=1, keepdims=True)).mean(axis=0)
    assert shift == pytest.approx(0, abs=tolerance)


def test_a_network_whose_numbers_the_runtime_cannot_scale_is_refused_in_one_sentence(
    model: keras.Model, squares: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: object) -> None:
        raise RuntimeError("failed to create XNNPACK runtime")

    monkeypatch.setattr(ai_edge_litert.interpreter.Interpreter, "allocate_tensors", refuses)
    with pytest.raises(ConfigError, match="^int8 cannot be made .*leave int8 out of --variants$"):
        convert(model, ["int8"], squares[:2])


def test_the_model_itself_is_left_as_it_was(model: keras.Model, contents: dict[VariantName, bytes]) -> None:
    assert contents
    assert class_bias(model) == [0.5, -0.5, 0.25]
