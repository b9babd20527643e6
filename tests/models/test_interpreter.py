from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linecore.errors import MissingExtraError, ModelError
from linecore_models.bundle import load_bundle
from linecore_models.interpreter import PACKAGES, Session, find_runtime
from tests.bundles import LABELS, SIZE, tiny_manifest

GREY = np.full((SIZE, SIZE, 1), 128, np.float32)


def test_the_best_installed_interpreter_is_taken() -> None:
    assert find_runtime().package == "ai_edge_litert"


def test_without_any_interpreter_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.interpreter", None)
    with pytest.raises(MissingExtraError, match="pip install ai-edge-litert"):
        find_runtime()


@pytest.mark.filterwarnings("ignore")  # TensorFlow says that its interpreter will go
def test_tensorflows_own_interpreter_answers_the_same(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(tiny_bundle)
    file = bundle.verified("float32")
    expected = Session(find_runtime(), file, file.read_bytes(), bundle.manifest)(GREY)
    for package in PACKAGES[:2]:
        monkeypatch.setitem(sys.modules, f"{package}.interpreter", None)
    runtime = find_runtime()
    assert runtime.package == "tensorflow"
    answer = Session(runtime, file, file.read_bytes(), bundle.manifest)(GREY)
    np.testing.assert_allclose(answer.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(answer.class_maps, expected.class_maps, atol=1e-5)
    np.testing.assert_allclose(answer.embedding, expected.embedding, atol=1e-5)


def test_answers_are_the_callers_own(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    file = bundle.verified("float32")
    session = Session(find_runtime(), file, file.read_bytes(), bundle.manifest)
    answer = session(GREY)
    assert answer.scores.shape == (len(LABELS),)
    assert answer.class_maps.shape == (SIZE // 4, SIZE // 4, len(LABELS))
    assert answer.embedding.shape == (2,)
    before = answer.scores.copy(), answer.class_maps.copy(), answer.embedding.copy()
    session(GREY * 0)
    np.testing.assert_array_equal(answer.scores, before[0])
    np.testing.assert_array_equal(answer.class_maps, before[1])
    np.testing.assert_array_equal(answer.embedding, before[2])


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"x\.tflite cannot be loaded by ai_edge_litert \(.*\); export it again"):
        Session(find_runtime(), tmp_path / "x.tflite", b"no model at all", tiny_manifest({}))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": ("ok", "scratches")}, "tells 3 labels apart, model.json names 2"),
        ({"input_size": 96}, r"model\.json says 'image' of \(1, 96, 96, 1\)"),
    ],
)
def test_a_model_that_is_not_the_manifests_is_refused(
    tiny_bundle: Path, changed: dict[str, object], sentence: str
) -> None:
    file = tiny_bundle / "model.int8.tflite"
    with pytest.raises(ModelError, match=sentence):
        Session(find_runtime(), file, file.read_bytes(), tiny_manifest({}).model_copy(update=changed))


def test_serving_imports_no_tensorflow(tiny_bundle: Path) -> None:
    """One frame through the tflite and gradcam plugins of a real line, in an interpreter of its own."""
    program = f"""
import sys
import numpy as np
from linecore.testing import Images, make_line
from linecore_plugins.gradcam import GradcamExplainer
from linecore_plugins.tflite import TfliteClassifier
source = Images([])
line = make_line({{
    "source": source,
    "tflite": TfliteClassifier(TfliteClassifier.Config(model={str(tiny_bundle)!r})),
    "gradcam": GradcamExplainer(GradcamExplainer.Config()),
}})
line.prepare()
frame = np.full((200, 200), 128, np.uint8)
frame[40:80, 140:180] = 255
inspection = line.inspect(line.frame(source, "1", image=frame))
line.release()
loaded = sorted({{name.split(".")[0] for name in sys.modules}} & {{"tensorflow", "keras", "tflite_runtime"}})
print(inspection.verdict.label, inspection.explanation.regions[0].score > 0.5, loaded)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "scratches True []"
