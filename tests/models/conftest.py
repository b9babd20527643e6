"""A road from pictures to a bundle that is short enough to walk in every run of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from linecore.inspection import Image
from linecore_models.commands.train import train
from linecore_models.quiet import load_tensorflow

SIDE = 32
ALPHA = 0.35


LEVELS = {"ok": 128, "patches": 15, "scratches": 240}
"""How bright a plate of each label is: so different that it shows in whatever light augmentation puts them."""


def draw(label: str, rng: np.random.Generator) -> Image:
    """Draw a plate."""
    return rng.normal(LEVELS[label], 12, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)


def pytest_configure(config: pytest.Config) -> None:
    """Let TensorFlow pass that has not followed NumPy 2 in how arrays are copied."""
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    )


def write_plates(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Write *counts* drawn plates of each label into folders of classes."""
    rng = np.random.default_rng(seed)
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(1, count + 1):
            cv2.imwrite(str(folder / label / f"{label}_{number}.png"), draw(label, rng))
    return folder


@pytest.fixture(scope="session", autouse=True)
def few_outliers() -> Iterator[None]:
    """Let novelty learn from few pictures, and be judged by few: the bundled model shows what it makes of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("linecore_models.novelty_learning.OUTLIERS", 4)
        patch.setattr("linecore_models.novelty_learning.BLENDS", 40)
        patch.setattr("linecore_models.novelty_learning.TEXTURES", 6)
        yield


@pytest.fixture(scope="session")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of three classes with 20 plates each."""
    return write_plates(tmp_path_factory.mktemp("data") / "plates", {"ok": 20, "patches": 20, "scratches": 20})


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny backbone that passes brightness on, until its features tell many levels of it apart.

    A MobileNetV2 of random numbers would amplify noise and learn nothing. Here each convolution takes a mean over the
    channels, depthwise ones pass through, residual branches add nothing, and the first layer lifts black above zero.
    """
    load_tensorflow("this test")
    import keras

    from linecore_models.architecture import TAPS

    backbone = keras.applications.MobileNetV2((SIDE, SIDE, 3), alpha=ALPHA, include_top=False, weights=None)
    rng = np.random.default_rng(0)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = np.zeros(layer.kernel.shape)
            kernel[1, 1] = 1
            layer.kernel.assign(kernel)
        elif isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(np.full(layer.kernel.shape, 1 / np.prod(layer.kernel.shape[:3])))
        elif isinstance(layer, keras.layers.Add):
            gamma = backbone.get_layer(layer.name.replace("_add", "_project_BN")).gamma
            gamma.assign(np.zeros(gamma.shape))
    first = backbone.get_layer("bn_Conv1")
    first.beta.assign(np.ones(first.beta.shape))
    for tap in TAPS:
        norm = backbone.get_layer(tap.replace("_relu", "_BN"))
        slopes = rng.choice((-3, 3), norm.gamma.shape)
        norm.gamma.assign(slopes)
        norm.beta.assign(-slopes * rng.uniform(0.3, 1.7, norm.beta.shape))
    path = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    backbone.save_weights(path)
    return path


QUICKLY = ("--head-epochs", "3", "--fine-tune-epochs", "0")
"""To `linecore train`: the backbone stays frozen, for what must only have been trained at all."""


def train_tiny(plates: Path, weights: Path, out: Path, *more: str) -> Result:
    """Run `linecore train` on *plates* with the tiny backbone."""
    options = ["--weights", weights, "--alpha", ALPHA, "--input-size", SIDE, "--batch-size", 8, "--head-rate", 0.02]
    # What tells these plates apart is how bright they are, and their grain must stay small beside it.
    options += ["--even-contrast", 0]
    arguments = [plates, "--out", out, *options, *more]
    return CliRunner().invoke(train, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="session")
def trained(plates: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that `linecore train` makes of the plates, with two of the variants and Keras."""
    out = tmp_path_factory.mktemp("runs") / "plates"
    told = train_tiny(plates, weights, out, *QUICKLY, "--variants", "int8,float32", "--name", "tiny")
    assert told.exit_code == 0, told.output
    return out
