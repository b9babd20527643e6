from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from linecore_models.answers import keras_outputs
from linecore_models.architecture import NO_WEIGHTS, build_model
from linecore_models.head import LearningHead, standardising
from tests.models.conftest import ALPHA, LEVELS, SIDE, draw


def give_numbers(network: keras.Model) -> None:
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))


def test_the_folded_head_answers_what_the_learning_head_does(weights: Path) -> None:
    rng = np.random.default_rng(1)
    squares = np.stack([draw(label, rng) for label in LEVELS])
    model = build_model(3, SIDE, weights=str(weights), alpha=ALPHA)
    head = LearningHead(model, keras_outputs(model, "embedding", squares), dropout=0.5, seed=0)
    give_numbers(head.network)
    taught = head.network(squares[..., np.newaxis].astype(np.float32), training=False).numpy()
    assert np.ptp(taught, axis=0).max() > 0.1
    head.fold()
    assert keras_outputs(model, "scores", squares) == pytest.approx(taught, abs=1e-5)


def test_only_the_head_of_a_frozen_backbone_learns(weights: Path) -> None:
    model = build_model(3, SIDE, weights=str(weights), alpha=ALPHA)
    head = LearningHead(
        model, keras_outputs(model, "embedding", np.zeros((2, SIDE, SIDE), np.uint8)), dropout=0, seed=0
    )
    assert [tuple(variable.shape) for variable in head.network.trainable_variables] == [(192, 3), (3,)]


def test_features_that_will_change_are_taken_as_they_are() -> None:
    model = build_model(3, SIDE, weights=NO_WEIGHTS, alpha=ALPHA)
    head = LearningHead(model, None, dropout=0, seed=0)
    give_numbers(head.network)
    square = np.full((1, SIDE, SIDE), 90, np.uint8)
    taught = head.network(square[..., np.newaxis].astype(np.float32), training=False).numpy()
    head.fold()
    assert keras_outputs(model, "scores", square) == pytest.approx(taught, abs=1e-5)


def test_the_mean_is_projected_away_and_the_rest_is_of_like_size() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal([5, 1, 0.2, 0.1], [0.5, 0.2, 0.1, 0.3], (500, 4)).astype(np.float32)
    standardised = embeddings @ standardising(embeddings)
    assert standardised.mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert np.ptp(standardised.std(axis=0)[1:]) < 0.3


def test_an_average_frame_says_nothing_in_the_class_maps(weights: Path) -> None:
    rng = np.random.default_rng(1)
    squares = np.stack([draw(label, rng) for label in LEVELS])
    model = build_model(3, SIDE, weights=str(weights), alpha=ALPHA)
    head = LearningHead(model, keras_outputs(model, "embedding", squares), dropout=0, seed=0)
    give_numbers(head.network)
    head.fold()
    maps = keras_outputs(model, "class_maps", squares)
    assert np.abs(maps.mean(axis=(1, 2))).max() > 0.1
    assert maps.mean(axis=(0, 1, 2)) == pytest.approx(0, abs=1e-4)
