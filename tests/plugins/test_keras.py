from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from linecore.errors import ModelError
from linecore.line import Line
from linecore.testing import Images, make_line
from linecore_models.bundle import sha256_of
from linecore_plugins.keras import KerasClassifier
from linecore_plugins.tflite import TfliteClassifier
from tests.bundles import LABELS, SIZE, add_novelty, spot, two_spots

SOURCE = Images([])


def started(model: Path) -> tuple[KerasClassifier, Line]:
    plugin = KerasClassifier(KerasClassifier.Config(model=str(model)))
    line = make_line({"source": SOURCE, "judge": plugin})
    plugin.start(line)
    return plugin, line


@pytest.mark.parametrize(("value", "label"), [(255, "scratches"), (0, "patches"), (128, "ok")])
def test_a_frame_is_classified(tiny_bundle: Path, value: int, label: str) -> None:
    plugin, line = started(tiny_bundle)
    says = plugin.classify(line.frame(SOURCE, "1", image=spot(value)))
    assert says.label == label
    assert list(says.scores) == list(plugin.labels) == list(LABELS)
    assert says.class_maps[label].shape == (SIZE // 4, SIZE // 4)
    assert says.model.sha256 == sha256_of(tiny_bundle / "model.keras")


def test_threads_answer_as_one(tiny_bundle: Path) -> None:
    plugin, line = started(tiny_bundle)
    frames = [line.frame(SOURCE, str(value), image=spot(value)) for value in range(0, 256, 5)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(plugin.classify, frames))
    for one, frame in zip(together, frames, strict=True):
        alone = list(plugin.classify(frame).scores.values())
        np.testing.assert_allclose(list(one.scores.values()), alone, rtol=1e-5)


def test_a_damaged_file_is_one_sentence(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    (folder / "model.keras").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"plugins\.judge\.model: .*model\.keras is damaged"):
        started(folder)


def test_a_file_that_is_whole_but_no_model_is_one_sentence(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    (folder / "model.keras").write_bytes(b"PK")
    written = json.loads((folder / "model.json").read_text())
    written["keras"]["sha256"] = sha256_of(folder / "model.keras")
    (folder / "model.json").write_text(json.dumps(written))
    with pytest.raises(ModelError, match=r"model\.keras cannot be loaded by Keras 3.*; save it again") as raised:
        started(folder)
    assert "\n" not in str(raised.value)


def test_a_model_with_other_labels_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "mine"))
    written = json.loads((folder / "model.json").read_text())
    written.update(labels=["ok", "patches"], bias={"ok": 0, "patches": 0})
    (folder / "model.json").write_text(json.dumps(written))
    with pytest.raises(ModelError, match=r"tells 3 labels apart, model\.json names 2"):
        started(folder)


def test_novelty_is_measured_as_the_tflite_files_do(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = add_novelty(Path(shutil.copytree(tiny_bundle, tmp_path / "mine")))
    plugin, line = started(folder)
    assert plugin.measures_novelty
    assert not started(tiny_bundle)[0].measures_novelty
    tflite = TfliteClassifier(TfliteClassifier.Config(model=str(folder), variant="float32"))
    tflite.start(make_line({"source": SOURCE, "judge": tflite}))
    for side in (5, 8):
        frame = line.frame(SOURCE, "1", image=two_spots(255, 0, side))
        novelty = plugin.classify(frame).novelty
        assert novelty is not None
        assert novelty == pytest.approx(tflite.classify(frame).novelty, abs=0.05)
