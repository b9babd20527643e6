from __future__ import annotations

import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from linecore.decision import DecisionRules, decide
from linecore.errors import ModelError
from linecore.inspection import Classification, Decision, Frame, ModelId
from linecore.line import Line
from linecore.testing import Images, make_line
from linecore_models.bundle import load_bundle, sha256_of
from linecore_models.manifest import VariantName
from linecore_models.preprocessing import read_image
from linecore_plugins.tflite import TfliteClassifier
from tests.bundles import BIAS, SIZE, add_novelty, spot, two_spots

SOURCE = Images([])


def line_with(plugin: TfliteClassifier, folder: Path | None = None) -> Line:
    return make_line({"source": SOURCE, "judge": plugin}, folder=folder)


def classifier(model: Path | str, variant: VariantName | None = None, folder: Path | None = None) -> TfliteClassifier:
    plugin = TfliteClassifier(TfliteClassifier.Config(model=str(model), variant=variant or "auto"))
    plugin.start(line_with(plugin, folder))
    return plugin


def frame(value: int) -> Frame:
    line = make_line({"source": SOURCE, "judge": TfliteClassifier(TfliteClassifier.Config(model="any"))})
    return line.frame(SOURCE, "1", image=spot(value))


@pytest.mark.parametrize("variant", ["int8", "float16", "float32"])
@pytest.mark.parametrize(("value", "label"), [(255, "scratches"), (0, "patches"), (128, "ok")])
def test_a_frame_is_classified(tiny_bundle: Path, variant: VariantName, value: int, label: str) -> None:
    says = classifier(tiny_bundle, variant).classify(frame(value))
    assert says.label == label
    assert says.confidence == says.scores[label] > 0.8
    assert sum(says.scores.values()) == pytest.approx(1, abs=1e-2)
    assert says.model == ModelId("tiny", "1.0.0", sha256_of(tiny_bundle / f"model.{variant}.tflite"))


def test_class_maps_point_at_the_defect_and_add_up_to_the_logits(tiny_bundle: Path) -> None:
    says = classifier(tiny_bundle, "float32").classify(frame(255))
    y, x = np.unravel_index(says.class_maps["scratches"].argmax(), says.class_maps["scratches"].shape)
    assert (int(y), int(x)) == (58 * SIZE // 4 // 200, 158 * SIZE // 4 // 200)
    logits = {label: float(says.class_maps[label].mean()) + BIAS[label] for label in BIAS}
    total = sum(np.exp(list(logits.values())))
    for label, logit in logits.items():
        assert np.exp(logit) / total == pytest.approx(says.scores[label], abs=1e-5)


def test_auto_takes_a_variant_that_is_servable_and_says_which(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plugin = classifier(tiny_bundle)
    assert plugin.variant in ("int8", "float16", "float32")
    assert plugin.runtime == "ai_edge_litert"
    assert f"model.{plugin.variant}.tflite on ai_edge_litert" in caplog.text
    assert "milliseconds for a frame: int8 " in caplog.text


def test_auto_leaves_out_what_has_not_passed_parity(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    written = json.loads((folder / "model.json").read_text())
    written["variants"]["int8"]["parity"]["passed"] = False
    written["variants"]["float32"]["parity"] = None
    (folder / "model.json").write_text(json.dumps(written))
    assert classifier(folder).variant == "float16"
    with pytest.raises(ModelError, match="is not served"):
        classifier(folder, "int8")
    (folder / "model.float16.tflite").unlink()
    with pytest.raises(ModelError, match="has no variant that was found fit to serve"):
        classifier(folder)


def test_the_labels_are_known_once_it_has_started(tiny_bundle: Path) -> None:
    assert classifier(tiny_bundle).labels == load_bundle(tiny_bundle).manifest.labels


def test_the_models_folder_counts_from_the_lines(tiny_bundle: Path) -> None:
    assert classifier(tiny_bundle.name, "int8", folder=tiny_bundle.parent).classify(frame(0)).label == "patches"


def test_threads_answer_as_one(tiny_bundle: Path) -> None:
    plugin = classifier(tiny_bundle, "float32")
    frames = [frame(value) for value in range(0, 256, 5)]
    alone = [plugin.classify(one).scores for one in frames]
    together = Barrier(4)

    def judge(_: int) -> list[Classification]:
        together.wait(timeout=20)
        return [plugin.classify(one) for one in frames]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(judge, range(4)))
    for answer in answers:
        assert [one.scores for one in answer] == alone


def test_a_file_that_changes_while_the_line_runs_changes_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    plugin = classifier(folder, "float32")
    before = plugin.classify(frame(255)).scores
    (folder / "model.float32.tflite").write_bytes(b"")
    with ThreadPoolExecutor(1) as another:
        assert another.submit(plugin.classify, frame(255)).result(20).scores == before


def test_temperature_is_applied(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    written = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**written, "temperature": 3.0}))
    sure, calm = (classifier(model, "float32").classify(frame(128)) for model in (tiny_bundle, folder))
    assert calm.label == sure.label
    assert calm.confidence < sure.confidence


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "'mine' is neither a bundled model nor a folder"),
        (lambda folder: (folder / "model.json").unlink(), r"holds no model\.json"),
        (lambda folder: (folder / "model.int8.tflite").write_bytes(b"TFL3"), "is damaged: its sha256 begins with"),
    ],
    ids=["no folder", "no manifest", "damaged"],
)
def test_a_model_that_cannot_be_served_is_one_sentence(
    tiny_bundle: Path, tmp_path: Path, spoil: object, sentence: str
) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(ModelError, match=rf"plugins\.judge\.model: .*{sentence}") as raised:
        classifier("mine", "int8", folder=tmp_path)
    assert "\n" not in str(raised.value)


def test_real_images_get_the_keras_models_labels(tiny_bundle: Path, neu: Path) -> None:
    """The tiny model knows nothing of steel, but its TFLite files must answer real images as Keras does."""
    from linecore_plugins.keras import KerasClassifier

    reference = KerasClassifier(KerasClassifier.Config(model=str(tiny_bundle)))
    line = make_line({"source": SOURCE, "reference": reference})
    reference.start(line)
    plugin = classifier(tiny_bundle, "float32")
    for path in sorted(neu.glob("*/*_10*.jpg"))[:60]:
        one = line.frame(SOURCE, path.name, image=read_image(path))
        ours, theirs = plugin.classify(one), reference.classify(one)
        assert ours.label == theirs.label
        np.testing.assert_allclose(list(ours.scores.values()), list(theirs.scores.values()), atol=1e-4)


def test_novelty_is_measured_where_the_bundle_can(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = add_novelty(Path(shutil.copytree(tiny_bundle, tmp_path / "mine")))
    plugin = classifier(folder, "float32")
    assert plugin.measures_novelty
    line = line_with(plugin)
    seldom, alike = two_spots(255, 0, 30), two_spots(255, 0, 8)  # two large spots were never known
    known, unknown = (plugin.classify(line.frame(SOURCE, "1", image=image)) for image in (alike, seldom))
    assert known.novelty is not None
    assert known.novelty < 0.95
    assert unknown.novelty == 1
    rules = DecisionRules(max_novelty=0.99, min_confidence=0)
    verdict = decide(unknown, rules)
    assert (verdict.decision, verdict.reason) == (Decision.UNCERTAIN, "novelty 1.000 is above 0.99")
    assert decide(known, rules).decision is Decision.FAIL


def test_max_novelty_has_an_effect_where_novelty_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = add_novelty(Path(shutil.copytree(tiny_bundle, tmp_path / "mine")))
    for model, said in ((tiny_bundle, True), (folder, False)):
        plugin = TfliteClassifier(TfliteClassifier.Config(model=str(model), variant="float32"))
        line = make_line({"source": SOURCE, "judge": plugin}, rules=DecisionRules(max_novelty=0.99))
        plugin.start(line)
        assert any("the model measures no novelty" in remark for remark in line.remarks()) is said


def test_novelty_statistics_that_are_damaged_are_one_sentence(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = add_novelty(Path(shutil.copytree(tiny_bundle, tmp_path / "mine")))
    (folder / "novelty.npz").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"plugins\.judge\.model: .*novelty\.npz is damaged: its sha256 begins"):
        classifier(folder, "float32")
    (folder / "novelty.npz").unlink()
    with pytest.raises(ModelError, match=r"novelty\.npz is not there although model\.json lists it"):
        classifier(folder, "float32")
