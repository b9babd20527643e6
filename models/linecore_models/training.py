"""Teaches the network: augmented images in, the best epoch's weights out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from linecore.inspection import FloatArray, Image
from linecore_models.answers import keras_outputs
from linecore_models.architecture import IMAGENET, build_model
from linecore_models.augmentation import Augmentation
from linecore_models.head import LearningHead

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is taught."""

    weights: str = IMAGENET  # of the backbone: "imagenet", "none" or a path
    alpha: float = 1.0  # width of MobileNetV2
    input_size: int = 224  # pixels
    epochs: int = 30  # at most
    patience: int = 10  # epochs without a lower validation loss, then it stops
    batch_size: int = 32
    learning_rate: float = 5e-3  # at the start; it falls to zero by the last epoch
    dropout: float = 0.2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Examples:
    """Images as the model sees them, with the index of each one's label, and how much it counts."""

    squares: Image  # uint8, N x size x size
    truth: Indices
    weights: FloatArray


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training images came to; accuracies in 0..1."""

    number: int  # from 1
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True, slots=True)
class Taught:
    """A network that has been taught, and how that went."""

    model: keras.Model
    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights the network has."""
        return min(self.epochs, key=lambda epoch: epoch.validation_loss)


class Watcher(Protocol):
    """Who is told how far the training is."""

    def step(self, done: int, of: int) -> None:
        """*done* of an epoch's batches have been seen."""
        ...

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is over."""
        ...


def train(
    labels: int, teaching: Examples, validation: Examples, recipe: Recipe, *, watcher: Watcher, log: Path
) -> Taught:
    """Return the network with the weights of the epoch whose validation loss was lowest.

    Adam on the categorical cross-entropy, its steps falling along a cosine, stopped early. *log* is the CSV file that
    gets a row for each epoch. The same seed on the same machine gives the same weights.

    Raises:
        ConfigError: the backbone's weights cannot be had, or do not fit.
    """
    keras.utils.set_random_seed(recipe.seed)  # random backbone weights take no seed of their own
    model = build_model(labels, recipe.input_size, weights=recipe.weights, alpha=recipe.alpha)
    frozen = not model.get_layer("backbone").trainable_variables
    embeddings = keras_outputs(model, "embedding", teaching.squares) if frozen else None
    head = LearningHead(model, embeddings, dropout=recipe.dropout, seed=recipe.seed)
    steps = -(-len(teaching.truth) // recipe.batch_size)
    falling = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, recipe.epochs * steps)
    head.network.compile(
        optimizer=keras.optimizers.Adam(falling), loss="categorical_crossentropy", metrics=["accuracy"]
    )
    telling = _Telling(watcher, steps)
    head.network.fit(
        augmented_batches(teaching, labels, recipe.batch_size, recipe.seed),
        steps_per_epoch=steps,
        epochs=recipe.epochs,
        validation_data=_plain_batches(validation, labels, recipe.batch_size),
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=recipe.patience, restore_best_weights=True),
            keras.callbacks.CSVLogger(log),
            telling,
        ],
        shuffle=False,  # the batches come shuffled
        verbose=0,
    )
    head.fold()
    return Taught(model, tuple(telling.epochs))


def augmented_batches(examples: Examples, labels: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Return endless batches (float32 N x size x size x 1 in 0..255, one-hot N x labels, weights), epoch after epoch.

    Each image comes once in an epoch, in an order and with a change that depend on the seed and the epoch alone.
    """
    augment = Augmentation()

    def batches() -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        for epoch in itertools.count():
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(len(examples.truth))
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                changed = np.stack([augment(examples.squares[index], rng) for index in chosen])
                images = changed[..., np.newaxis].astype(np.float32)
                yield images, _one_hot(examples.truth[chosen], labels), examples.weights[chosen]

    size = examples.squares.shape[1]
    shapes = ((None, size, size, 1), (None, labels), (None,))
    signature = tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def _plain_batches(examples: Examples, labels: int, batch_size: int) -> tf.data.Dataset:
    def to_float(square: tf.Tensor, truth: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return tf.cast(square, tf.float32)[..., tf.newaxis], truth, weight

    rows = (examples.squares, _one_hot(examples.truth, labels), examples.weights)
    return tf.data.Dataset.from_tensor_slices(rows).map(to_float).batch(batch_size)


def _one_hot(truth: Sequence[int] | Indices, labels: int) -> FloatArray:
    return np.eye(labels, dtype=np.float32)[truth]


class _Telling(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keeps what Keras reports, and passes it on."""

    def __init__(self, watcher: Watcher, steps: int) -> None:
        super().__init__()
        self.epochs: list[Epoch] = []
        self._watcher = watcher
        self._steps = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._watcher.step(batch + 1, self._steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        told = logs or {}
        numbers = (told[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
        self.epochs.append(Epoch(epoch + 1, *numbers))
        self._watcher.epoch(self.epochs[-1])
