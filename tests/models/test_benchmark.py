from __future__ import annotations

from pathlib import Path

import keras
import pytest

from linecore_models.benchmark import (
    Pace,
    as_int8,
    compared,
    model_run,
    reference_run,
    sentence,
)
from linecore_models.bundle import load_bundle
from linecore_models.interpreter import Answer, find_runtime
from tests.models.test_pace import Stopwatch


def test_the_ratio_is_the_models_time_over_the_references() -> None:
    watch = Stopwatch()
    pace = compared(watch.run("ours", 0.3), watch.run("theirs", 1.2), repetitions=3, rounds=4, now=watch.now)
    assert pace.ours_ms == pytest.approx(300)
    assert pace.reference_ms == pytest.approx(1200)
    assert pace.ratios == pytest.approx((0.25, 0.25, 0.25))
    assert pace.ratio == pytest.approx(0.25)


def test_both_run_on_the_serving_runtime_and_the_reference_is_all_int8(tiny_bundle: Path) -> None:
    runtime = find_runtime()
    picture = keras.Input((8, 8, 3))
    content = as_int8(keras.Model(picture, keras.layers.Conv2D(5, 8, activation="relu")(picture)))
    reference = reference_run(content, runtime)()
    assert isinstance(reference, dict)
    assert reference["scores"].shape == (1, 1, 1, 5)
    assert isinstance(model_run(load_bundle(tiny_bundle), "int8", runtime)(), Answer)
    interpreter = runtime.make(model_content=content)
    interpreter.allocate_tensors()
    kinds = [str(entry["dtype"]) for entry in interpreter.get_tensor_details()]  # type: ignore[attr-defined]
    assert sum("float32" in kind for kind in kinds) == 2


def test_the_figure_comes_with_what_it_depends_on() -> None:
    text = sentence("`neu` 2, int8", Pace(1.2, 3.4, (0.36, 0.35, 0.34)), "ai_edge_litert 2.3.0")
    assert text.startswith("`neu` 2, int8: 1.20 ms. MobileNetV2 1.0 at 224 px, int8: 3.40 ms. Ratio **0.350** ")
    assert "(0.340 to 0.360 in 3 repetitions), one thread, ai_edge_litert 2.3.0" in text
