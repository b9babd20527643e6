from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from linecore.errors import ModelError
from linecore_models.keras_file import load_keras, save_keras
from linecore_models.rounding import round_kernels
from tests.bundles import SIZE, tiny_model


def test_a_saved_model_comes_back_the_same(tmp_path: Path) -> None:
    model = tiny_model()
    save_keras(model, tmp_path / "model.keras")
    frames = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 1)).astype(np.float32)
    for again in (load_keras(tmp_path / "model.keras"), keras.models.load_model(tmp_path / "model.keras")):
        assert np.array_equal(again(frames)["scores"], model(frames)["scores"])


def test_kernels_on_the_grid_of_int8_take_less_room(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 64)), keras.layers.Conv2D(256, 3)])
    round_kernels(model)
    save_keras(model, tmp_path / "packed.keras")
    model.save(tmp_path / "plain.keras")
    assert (tmp_path / "packed.keras").stat().st_size < 0.7 * (tmp_path / "plain.keras").stat().st_size


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist; name a .keras file"):
        load_keras(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"no zip")
    with pytest.raises(ModelError, match="cannot be loaded by Keras .*; save it again"):
        load_keras(tmp_path / "model.keras")
