from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from linecore.errors import ModelError
from linecore.inspection import Classification, Explanation, FloatArray, Frame, Image, ModelId
from linecore.line import Line
from linecore.testing import Images, make_line
from linecore_models.bundle import load_bundle, write_manifest
from linecore_models.preprocessing import Preprocessing, read_image
from linecore_plugins.gradcam import GradcamExplainer
from linecore_plugins.gradient import GradientMaps
from linecore_plugins.keras import KerasClassifier
from linecore_plugins.tflite import TfliteClassifier
from tests.bundles import LABELS, spot

SOURCE = Images([])


@contextmanager
def line(tiny_bundle: Path, classifier: object | None = None, **options: Any) -> Iterator[Line]:
    """A line that is ready, with the tiny model and an explainer of these *options*."""
    judge = classifier or TfliteClassifier(TfliteClassifier.Config(model=str(tiny_bundle), variant="float32"))
    explainer = GradcamExplainer(GradcamExplainer.Config(**options))
    made = make_line({"source": SOURCE, "judge": judge, "gradcam": explainer})
    made.prepare()
    yield made
    made.release()


def explained(line: Line, image: Image) -> Explanation:
    explanation = line.inspect(line.frame(SOURCE, "1", image=image)).explanation
    assert explanation is not None
    return explanation


@pytest.mark.parametrize("shape", [(200, 200), (300, 120), (64, 256)])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "BGR"])
def test_the_heat_map_has_the_frames_size(tiny_bundle: Path, shape: tuple[int, int], colour: bool) -> None:
    image = np.full(shape, 128, np.uint8)
    image[-30:, -40:] = 255
    if colour:
        image = np.repeat(image[..., np.newaxis], 3, axis=-1)
    with line(tiny_bundle) as made:
        explanation = explained(made, image)
    assert explanation.heatmap.shape == shape
    assert explanation.heatmap.max() == 1
    assert (explanation.method, explanation.label) == ("class_maps", "scratches")


@pytest.mark.parametrize("at", [(30, 30), (158, 58), (100, 170)])
@pytest.mark.parametrize("options", [{}, {"method": "gradient"}], ids=["class maps", "gradient"])
def test_the_hot_spot_lies_on_the_defect(tiny_bundle: Path, at: tuple[int, int], options: dict[str, str]) -> None:
    if options:
        options = {**options, "model": str(tiny_bundle)}
    with line(tiny_bundle, **options) as made:
        explanation = explained(made, spot(0, at=at))
    assert explanation.peak is not None
    assert all(abs(peak - centre) < 18 for peak, centre in zip(explanation.peak, at, strict=True))
    (region,) = explanation.regions
    x0, y0, x1, y1 = region.box
    assert x0 < at[0] < x1
    assert y0 < at[1] < y1
    assert 0.5 <= region.score <= 1


def test_both_methods_give_the_same_map_on_real_images(tiny_bundle: Path, neu: Path) -> None:
    judge = KerasClassifier(KerasClassifier.Config(model=str(tiny_bundle)))
    short = GradcamExplainer(GradcamExplainer.Config())
    long = GradcamExplainer(GradcamExplainer.Config(method="gradient", model=str(tiny_bundle)))
    made = make_line({"source": SOURCE, "judge": judge, "short": short, "long": long})
    made.prepare()
    for path in sorted(neu.glob("*/*_20*.jpg"))[:30]:
        frame = made.frame(SOURCE, path.name, image=read_image(path))
        says = judge.classify(frame)
        one, other = short.explain(frame, says), long.explain(frame, says)
        assert one is not None
        assert other is not None
        assert (one.method, other.method) == ("class_maps", "gradient")
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-4)
    made.release()


def test_a_frame_without_a_defect_is_cold_where_no_evidence_is() -> None:
    frame, says = spotless(class_maps={"ok": np.full((4, 4), -1, np.float32)})
    explanation = GradcamExplainer(GradcamExplainer.Config()).explain(frame, says)
    assert explanation is not None
    assert not explanation.heatmap.any()
    assert (explanation.regions, explanation.peak) == ((), None)


def test_the_mask_is_white_where_the_regions_are(tiny_bundle: Path) -> None:
    with line(tiny_bundle) as made:
        explanation = explained(made, spot(0, at=(100, 60)))
    (region,) = explanation.regions
    x0, y0, x1, y1 = region.box
    assert explanation.mask is not None
    assert explanation.mask.shape == explanation.heatmap.shape
    assert np.count_nonzero(explanation.mask) == np.count_nonzero(explanation.mask[y0:y1, x0:x1]) == region.area


LEFT_HOT = np.array([[4, 2, 1, -1]], np.float32)  # 50 pixels of the frame for each column


@pytest.mark.parametrize(
    ("configured", "measured", "reaches"), [(None, None, 2.0), (None, 0.1, 0.4), (0.9, 0.1, 3.6), (0.5, 0.1, 2.0)]
)
def test_a_region_reaches_as_far_as_the_model_measured_unless_told_otherwise(
    configured: float | None, measured: float | None, reaches: float
) -> None:
    frame, says = spotless(class_maps={"scratches": LEFT_HOT})
    says = replace(says, label="scratches", region_threshold=measured)
    explainer = GradcamExplainer(GradcamExplainer.Config(region_threshold=configured))
    explanation = explainer.explain(frame, says)
    assert explanation is not None
    (region,) = explanation.regions
    height, width = frame.image.shape
    enlarged = cv2.resize(LEFT_HOT, (width, height), interpolation=cv2.INTER_LINEAR)
    assert region.box == (0, 0, int((enlarged[0] >= reaches).sum()), height)


def test_good_product_has_a_heat_map_and_no_region(tiny_bundle: Path) -> None:
    explainer = GradcamExplainer(GradcamExplainer.Config())
    make_line({"source": SOURCE, "gradcam": explainer}).prepare()
    frame, says = spotless(class_maps={"ok": LEFT_HOT, "scratches": LEFT_HOT})
    good = explainer.explain(frame, says)
    assert good is not None
    assert good.heatmap.max() == 1
    assert good.regions == ()
    assert good.mask is not None
    assert good.mask.shape == frame.image.shape
    assert not good.mask.any()
    bad = explainer.explain(frame, replace(says, label="scratches"))
    assert bad is not None
    assert bad.regions


def test_without_class_maps_and_without_a_model_it_is_left_to_the_next() -> None:
    frame, says = spotless(class_maps={})
    assert GradcamExplainer(GradcamExplainer.Config()).explain(frame, says) is None


def test_auto_turns_to_the_gradient_where_the_classifier_gives_no_maps(tiny_bundle: Path) -> None:
    explainer = GradcamExplainer(GradcamExplainer.Config(model=str(tiny_bundle)))
    make_line({"source": SOURCE, "gradcam": explainer}).prepare()
    frame, says = spotless(class_maps={})
    explanation = explainer.explain(frame, says)
    assert explanation is not None
    assert explanation.method == "gradient"


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # TensorFlow's variables under NumPy 2
@pytest.mark.parametrize("channels", [1, 3])
def test_any_keras_file_can_explain(tmp_path: Path, channels: int) -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(2, 3, name="first"), keras.layers.Conv2D(2, 3), keras.layers.GlobalMaxPooling2D()]
    head = keras.layers.Dense(len(LABELS), activation="softmax")
    keras.Sequential([keras.Input((24, 24, channels)), *layers, head]).save(tmp_path / "other.keras")
    explainer = GradcamExplainer(GradcamExplainer.Config(model="other.keras", layer="first"))
    make_line({"source": SOURCE, "gradcam": explainer}, folder=tmp_path).prepare()
    frame, says = spotless(class_maps={})
    explanation = explainer.explain(frame, says)
    assert explanation is not None
    assert explanation.heatmap.shape == frame.image.shape


@pytest.mark.parametrize(("evenness", "named"), [(0.5, "model.keras"), (0.0, "model.keras"), (0.5, "alone.keras")])
def test_a_bundles_own_keras_file_sees_frames_as_the_bundle_says(
    tiny_bundle: Path, tmp_path: Path, evenness: float, named: str
) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    write_manifest(copy, load_bundle(copy).manifest.model_copy(update={"even_contrast": evenness}))
    shutil.copy(copy / "model.keras", copy / "alone.keras")
    maps = GradientMaps(str(copy / named), None, tmp_path)
    of_bundle = load_bundle(copy).manifest.preprocessing
    assert maps._preprocessing == (of_bundle if named == "model.keras" else Preprocessing(of_bundle.size, "linear"))


def test_a_bundle_does_not_explain_what_another_model_says(tiny_bundle: Path) -> None:
    explainer = GradcamExplainer(GradcamExplainer.Config(method="gradient", model=str(tiny_bundle)))
    make_line({"source": SOURCE, "gradcam": explainer}).prepare()
    frame, says = spotless(class_maps={}, version="2.0.0")
    with pytest.raises(ModelError, match=r"model\.keras cannot explain what tiny 2\.0\.0 says"):
        explainer.explain(frame, says)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "gradient"}, "the method 'gradient' needs a Keras model; set model"),
        ({"method": "class_maps", "model": "neu"}, "uses no model; leave model out"),
        ({"layer": "out_relu"}, "set model, too"),
        ({"region_threshold": 0}, "greater than 0"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GradcamExplainer.Config(**options)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("gone.keras", r"gone\.keras does not exist"), ("gone", "'gone' is neither a bundled model nor a folder")],
)
def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path, model: str, sentence: str) -> None:
    explainer = GradcamExplainer(GradcamExplainer.Config(model=model))
    made = make_line({"source": SOURCE, "gradcam": explainer}, folder=tmp_path)
    with pytest.raises(ModelError, match=rf"plugins\.gradcam\.model: .*{sentence}"):
        made.prepare()


def spotless(class_maps: dict[str, FloatArray], version: str = "1.0.0") -> tuple[Frame, Classification]:
    """Return a grey frame, and what the tiny model might say of it."""
    made = make_line({"source": SOURCE})
    scores = dict(zip(LABELS, (0.9, 0.06, 0.04), strict=True))
    says = Classification("ok", 0.9, scores, ModelId("tiny", version, "0" * 64), class_maps=class_maps)
    return made.frame(SOURCE, "1", image=spot(128)), says
