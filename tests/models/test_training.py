from __future__ import annotations

import csv
from dataclasses import astuple, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from linecore_models.answers import keras_outputs
from linecore_models.training import Epoch, Examples, Recipe, Taught, augmented_batches, train
from tests.models.conftest import ALPHA, LEVELS, SIDE, draw


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.epochs: list[Epoch] = []

    def step(self, done: int, of: int) -> None:
        self.steps.append((done, of))

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)


def examples(count: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % len(LEVELS)
    squares = np.stack([draw(list(LEVELS)[index], rng) for index in truth])
    return Examples(squares, truth, np.ones(count, np.float32))


def teach(weights: Path, log: Path, notes: Notes, *, epochs: int) -> Taught:
    recipe = Recipe(str(weights), ALPHA, SIDE, epochs=epochs, batch_size=8, learning_rate=0.01)
    return train(len(LEVELS), examples(42, 1), examples(9, 2), recipe, watcher=notes, log=log)


def test_a_network_learns_to_tell_plates_apart_and_says_how_far_it_is(weights: Path, tmp_path: Path) -> None:
    notes = Notes()
    taught = teach(weights, tmp_path / "log.csv", notes, epochs=3)
    unseen = examples(30, 3)
    assert (keras_outputs(taught.model, "scores", unseen.squares).argmax(axis=1) == unseen.truth).all()
    assert notes.steps == [(step, 6) for _ in range(3) for step in range(1, 7)]
    assert [epoch.number for epoch in notes.epochs] == [1, 2, 3]
    assert taught.epochs == tuple(notes.epochs)
    with (tmp_path / "log.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert [float(row["val_loss"]) for row in rows] == pytest.approx([epoch.validation_loss for epoch in notes.epochs])


def test_the_same_seed_gives_the_same_network(weights: Path, tmp_path: Path) -> None:
    one, same = (
        teach(weights, tmp_path / "log.csv", Notes(), epochs=1).model.get_layer("class_maps").kernel.numpy()
        for _ in range(2)
    )
    assert np.array_equal(one, same)


def test_training_stops_early_and_the_best_epochs_weights_are_kept(weights: Path, tmp_path: Path) -> None:
    # Validated on plates with wrong labels, every step that learns the right ones makes it worse.
    wrong = examples(9, 2)
    wrong = replace(wrong, truth=(wrong.truth + 1) % len(LEVELS))
    recipe = Recipe(str(weights), ALPHA, SIDE, epochs=20, patience=2, batch_size=8, learning_rate=0.01)
    notes = Notes()
    taught = train(len(LEVELS), examples(42, 1), wrong, recipe, watcher=notes, log=tmp_path / "log.csv")
    losses = [epoch.validation_loss for epoch in taught.epochs]
    assert len(losses) == taught.best.number + 2 < 20
    true_scores = keras_outputs(taught.model, "scores", wrong.squares)[np.arange(9), wrong.truth]
    assert -np.log(true_scores).mean() == pytest.approx(min(losses), rel=1e-3)
    assert taught.best.validation_loss == min(losses)


def test_each_image_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    # Plates that are told by their brightness, and one label each.
    squares = np.stack([np.full((8, 8), 40 + index, np.uint8) for index in range(10)])
    weights = np.arange(10, dtype=np.float32)
    stream = augmented_batches(Examples(squares, np.arange(10), weights), 10, 4, seed=0)
    batches = list(stream.take(6).as_numpy_iterator())
    truths = [truth.argmax(axis=1).tolist() for _, truth, _ in batches]
    assert all(weight.tolist() == truth for (_, _, weight), truth in zip(batches, truths, strict=True))
    assert [len(truth) for truth in truths] == [4, 4, 2, 4, 4, 2]
    first, second = [*chain(*truths[:3])], [*chain(*truths[3:])]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_batches_are_what_the_network_takes_and_the_same_for_the_same_seed() -> None:
    some = examples(10, 0)
    one, same, other = (next(augmented_batches(some, 3, 4, seed).as_numpy_iterator()) for seed in (7, 7, 8))
    images, truth, _ = one
    assert images.shape == (4, SIDE, SIDE, 1)
    assert images.dtype == np.float32
    assert 0 <= images.min() <= images.max() <= 255
    assert truth.sum(axis=1).tolist() == [1, 1, 1, 1]
    assert np.array_equal(images, same[0])
    assert not np.array_equal(images, other[0])


def test_images_that_count_nothing_teach_nothing(weights: Path, tmp_path: Path) -> None:
    right, misled = examples(42, 1), examples(42, 2)
    misled = replace(misled, truth=(misled.truth + 1) % len(LEVELS), weights=np.zeros(42, np.float32))
    both = Examples(*(np.concatenate(pair) for pair in zip(astuple(right), astuple(misled), strict=True)))
    recipe = Recipe(str(weights), ALPHA, SIDE, epochs=2, batch_size=8, learning_rate=0.01)
    model = train(len(LEVELS), both, examples(9, 3), recipe, watcher=Notes(), log=tmp_path / "log.csv").model
    assert (keras_outputs(model, "scores", right.squares).argmax(axis=1) == right.truth).all()
