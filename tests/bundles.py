"""A tiny model bundle, real in every part but its size: what it sees can be told by hand.

Bright spots are scratches, dark spots are patches, and a frame without either is ok. The spots light up in the class
maps where they are on the frame.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from linecore.inspection import FloatArray, Image
from linecore_models.bundle import sha256_of, write_manifest
from linecore_models.manifest import (
    Agreement,
    Dataset,
    Manifest,
    ModelFile,
    NoveltyFile,
    Parity,
    Split,
    Variant,
    VariantName,
)

if TYPE_CHECKING:
    import keras

LABELS = ("ok", "patches", "scratches")
SIZE = 48
GAIN = 600.0
BIAS = {"ok": 3.0, "patches": 0.0, "scratches": 0.0}


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny bundle: model.json, model.keras and the three TFLite variants, all fit to be served."""
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


def spot(value: int, *, at: tuple[int, int] = (158, 58), size: int = 200, radius: int = 14) -> Image:
    """Return a mid-grey frame with a square spot of *value* around *at* (x, y)."""
    frame = np.full((size, size), 128, np.uint8)
    x, y = at
    frame[y - radius : y + radius, x - radius : x + radius] = value
    return frame


def tiny_model() -> keras.Model:
    """Build the Keras model: the outputs of a trained one, with weights set by hand."""
    import keras

    image = keras.Input((SIZE, SIZE, 1), name="image")
    level = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    found = keras.layers.Conv2D(2, 3, padding="same", activation="relu", name="features")(level)
    found = keras.layers.AveragePooling2D(4, name="pooled")(found)
    maps = keras.layers.Conv2D(len(LABELS), 1, use_bias=False, name="class_maps")(found)
    logits = keras.layers.GlobalAveragePooling2D()(maps)
    biased = keras.layers.Dense(len(LABELS), name="bias")(logits)
    outputs = {
        "scores": keras.layers.Softmax(name="scores")(biased),
        "class_maps": maps,
        "embedding": keras.layers.GlobalAveragePooling2D(name="embedding")(found),
    }
    model = keras.Model(image, outputs, name="tiny")
    mean = np.full((3, 3, 1), 1 / 9)
    model.get_layer("features").set_weights([np.stack([-mean, mean], axis=-1), np.array([-0.3, -0.3])])
    model.get_layer("class_maps").set_weights([GAIN * np.array([[[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]])])
    model.get_layer("bias").set_weights([np.eye(len(LABELS)), np.array([BIAS[label] for label in LABELS])])
    return model


def write_tiny_bundle(folder: Path) -> Path:
    """Write the tiny bundle into *folder*, which is made, and return it."""
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        model = tiny_model()
        model.save(folder / "model.keras")
        contents = _converted(model, folder.parent / "saved")
    variants = {}
    for name, content in contents.items():
        file = folder / f"model.{name}.tflite"
        file.write_bytes(content)
        variants[name] = Variant(**_described(file), parity=PASSED)
    write_manifest(folder, tiny_manifest(variants, ModelFile(**_described(folder / "model.keras"))))
    return folder


PASSED = Parity(
    top1_agreement=Agreement(agree=10, of=10),
    max_probability_change=0.01,
    recall_change=dict.fromkeys(LABELS, 0.0),
    passed=True,
)


def tiny_manifest(variants: dict[VariantName, Variant], keras_file: ModelFile | None = None) -> Manifest:
    """Return the model.json of a bundle with these files."""
    return Manifest(
        name="tiny",
        version="1.0.0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        labels=LABELS,
        pass_labels=("ok",),
        input_size=SIZE,
        resize="area",
        variants=variants,
        keras=keras_file,
        bias=BIAS,
        data=Dataset(hash="none", counts={}, sources=("made by hand",)),
        split=Split(method="none", seed=0, fractions={"train": 0.0}, files={}),
        training={"weights": "set by hand"},
        metrics={},
        licence="Apache-2.0",
    )


def _described(file: Path) -> dict[str, str | int]:
    return {"file": file.name, "sha256": sha256_of(file), "bytes": file.stat().st_size}


def _converted(model: keras.Model, saved: Path) -> dict[VariantName, bytes]:
    import keras
    import tensorflow as tf

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        answer: dict[str, tf.Tensor] = model(image, training=False)
        return answer

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serve, [tf.TensorSpec((1, SIZE, SIZE, 1), tf.float32, name="image")])
    archive.write_out(str(saved), verbose=False)

    def convert(settle: Callable[[tf.lite.TFLiteConverter], None]) -> bytes:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
        settle(converter)
        content: bytes = converter.convert()
        return content

    def half(converter: tf.lite.TFLiteConverter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    def whole_numbers(converter: tf.lite.TFLiteConverter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _representative

    return {"int8": convert(whole_numbers), "float16": convert(half), "float32": convert(lambda converter: None)}


def _representative() -> Iterator[list[FloatArray]]:
    for value in np.linspace(0, 255, 16):
        frame = np.full((1, SIZE, SIZE, 1), 128, np.float32)
        frame[:, 10:20, 10:20] = value
        yield [frame]


def two_spots(value: int, other: int, side: int) -> Image:
    """Return a mid-grey frame with a spot of *value*, and one of *other* that measures *side* pixels."""
    frame = spot(value)
    frame[20 : 20 + side, 20 : 20 + side] = other
    return frame


def add_novelty(folder: Path) -> Path:
    """Give the tiny bundle in *folder* novelty statistics: it knows a large spot beside a small one of the other."""
    from linecore_models.answers import open_runner
    from linecore_models.bundle import load_bundle
    from linecore_models.novelty import Looks
    from linecore_models.novelty_fit import fit_novelty
    from linecore_models.preprocessing import Preprocessing

    bundle = load_bundle(folder)
    frames = [two_spots(*values, side) for values in ((0, 255), (255, 0)) for side in range(4, 14)]
    squares = Preprocessing(SIZE).squares(frames)
    looks = Looks.of(open_runner(bundle, "float32", threads=1)(squares).embedding, squares)
    path = folder / "novelty.npz"
    fit_novelty(looks, np.repeat([0, 1], len(frames) // 2), looks).write(path)
    file = NoveltyFile(
        file=path.name,
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        method="by hand",
        taught=len(frames),
        known=len(frames),
    )
    write_manifest(folder, bundle.manifest.model_copy(update={"novelty": file}))
    return folder
