"""The road from folders of classes to a bundle that can be served."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from linecore_models.answers import keras_outputs
from linecore_models.architecture import FEATURES, IMAGENET, NO_WEIGHTS, class_bias
from linecore_models.bundle import sha256_of
from linecore_models.card import Card
from linecore_models.dataset import (
    HELD_OUT,
    Division,
    LabelledImage,
    SplitMethod,
    divide,
    folder_hashes,
    label_indices,
    labels_of,
    load_squares,
    read_folders,
    require_trainable,
)
from linecore_models.evaluation import metrics_of
from linecore_models.export import REPRESENTATIVE_FRAMES, HeldOut, write_bundle
from linecore_models.manifest import Dataset, Manifest, Metrics, Resize, Setting, Split, VariantName
from linecore_models.training import Examples, Recipe, Taught, Watcher, train

TRAINING_LOG = "training.csv"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made."""

    name: str
    version: str
    card: Card
    pass_labels: tuple[str, ...]  # those of them that the data has
    folder_weights: Mapping[str, float]  # data folder -> how much its images count; 1 for those that are not named
    split: SplitMethod
    resize: Resize
    variants: Sequence[VariantName]
    with_keras: bool


def make_bundle(
    folders: Sequence[Path], out: Path, order: Order, recipe: Recipe, *, watcher: Watcher, now: datetime
) -> Manifest:
    """Train on *folders* and write the bundle into the folder *out*, which must be there; return its model.json.

    Raises:
        ConfigError: the data or the backbone's weights are not fit to train with.
    """
    images = read_folders(folders)
    require_trainable(images)
    labels = labels_of(images)
    division = divide(images, order.split, recipe.seed)

    def examples(chosen: Sequence[LabelledImage]) -> Examples:
        return Examples(
            load_squares(chosen, recipe.input_size, order.resize),
            label_indices(chosen, labels),
            np.array([order.folder_weights.get(image.source, 1.0) for image in chosen], np.float32),
        )

    teaching, validation, test = (examples(part) for part in (division.train, division.validation, division.test))
    taught = train(len(labels), teaching, validation, recipe, watcher=watcher, log=out / TRAINING_LOG)

    held = (*division.validation, *division.test)
    held_out = HeldOut(
        np.concatenate([validation.squares, test.squares]),
        np.concatenate([validation.truth, test.truth]),
        [image.source for image in held],
        np.arange(len(held)) >= len(division.validation),
    )
    scores = keras_outputs(taught.model, "scores", held_out.squares)
    passes = tuple(label for label in order.pass_labels if label in labels)

    def metrics(part: np.typing.NDArray[np.bool_]) -> Metrics:
        sources = [name for name, chosen in zip(held_out.folders, part, strict=True) if chosen]
        return metrics_of(held_out.truth[part], scores[part].argmax(axis=1), sources, labels, passes)

    manifest = Manifest(
        name=order.name,
        version=order.version,
        created=now,
        labels=labels,
        pass_labels=passes,
        input_size=recipe.input_size,
        resize=order.resize,
        variants={},
        bias=dict(zip(labels, class_bias(taught.model), strict=True)),
        data=_dataset(images, order.card),
        split=_split(division, order.split, recipe.seed),
        training=_training(recipe, taught, order.folder_weights),
        metrics={"validation": metrics(~held_out.tests), "test": metrics(held_out.tests)},
        licence=order.card.licence,
        limits=order.card.limits,
    )
    rng = np.random.default_rng(recipe.seed)
    drawn = rng.permutation(len(teaching.squares))[:REPRESENTATIVE_FRAMES]
    return write_bundle(
        out,
        taught.model,
        manifest,
        variants=order.variants,
        with_keras=order.with_keras,
        representative=teaching.squares[drawn],
        held_out=held_out,
        keras_scores=scores,
    )


def _dataset(images: Sequence[LabelledImage], card: Card) -> Dataset:
    folders = folder_hashes(images)
    return Dataset(
        hash=hashlib.sha256(
            "".join(f"{name}\0{digest}\n" for name, digest in sorted(folders.items())).encode()
        ).hexdigest(),
        counts=dict(sorted(Counter(image.label for image in images).items())),
        sources=card.sources or tuple(folders),
        folders=folders,
    )


def _split(division: Division, method: SplitMethod, seed: int) -> Split:
    return Split(
        method=method,
        seed=seed,
        fractions={"train": 1 - 2 * HELD_OUT, "validation": HELD_OUT, "test": HELD_OUT},
        files={
            "validation": tuple(image.name for image in division.validation),
            "test": tuple(image.name for image in division.test),
        },
    )


def _training(recipe: Recipe, taught: Taught, folder_weights: Mapping[str, float]) -> dict[str, Setting]:
    settings: dict[str, Setting] = asdict(recipe)
    settings |= {f"weight_of_{folder}": weight for folder, weight in folder_weights.items()}
    if recipe.weights not in (IMAGENET, NO_WEIGHTS):
        # Where the file lies says nothing to others; what is in it does.
        settings |= {"weights": Path(recipe.weights).name, "weights_sha256": sha256_of(Path(recipe.weights))}
    return settings | {
        "backbone": f"MobileNetV2 up to {FEATURES}",
        "backbone_frozen": recipe.weights != NO_WEIGHTS,
        "optimizer": "Adam",
        "loss": "categorical cross-entropy",
        "epochs_run": len(taught.epochs),
        "best_epoch": taught.best.number,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
