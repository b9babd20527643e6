from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from linecore.inspection import FloatArray, Image
from linecore_models.sanity import correlation, randomise_downwards
from tests.bundles import LABELS, SIZE, spot, tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # TensorFlow's variables under NumPy 2


@pytest.fixture(scope="module")
def squares() -> Image:
    places = [(10, 10), (30, 12), (20, 34), (38, 30)]
    return np.stack([spot(255, at=at, size=SIZE, radius=5) for at in places])


@pytest.fixture(scope="module")
def deep() -> keras.Model:
    """A model of three layers with weights, two of them in a model of their own."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((SIZE, SIZE, 1)), keras.layers.Conv2D(6, 3, name="first"), keras.layers.Conv2D(6, 3, name="last")],
        name="backbone",
    )
    image = keras.Input((SIZE, SIZE, 1), name="image")
    maps = keras.layers.ReLU(name="class_maps")(keras.layers.Conv2D(len(LABELS), 1, name="evidence")(inner(image)))
    means = keras.layers.GlobalAveragePooling2D()(maps)
    logits = keras.layers.Dense(len(LABELS), name="logits")(means)
    return keras.Model(image, {"scores": keras.layers.Softmax()(logits), "class_maps": maps})


def test_layers_are_made_random_from_the_head_down_in_nested_models_too(deep: keras.Model, squares: Image) -> None:
    found = randomise_downwards(deep, squares, [2] * 4, np.random.default_rng(0), stages=3)
    assert [(one.layer, one.layers) for one in found] == [("evidence", 2), ("last", 3), ("first", 4)]


def test_the_model_has_its_own_weights_back(deep: keras.Model, squares: Image) -> None:
    before = deep.get_weights()
    randomise_downwards(deep, squares, [2] * 4, np.random.default_rng(0), stages=2)
    for one, other in zip(before, deep.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_maps_that_rest_on_the_weights_change_with_them(deep: keras.Model, squares: Image) -> None:
    found = randomise_downwards(deep, squares, [2] * 4, np.random.default_rng(0), stages=3)
    assert found[-1].correlation < 0.95
    assert found[-1].similarity < 0.95


def test_maps_that_do_not_rest_on_the_weights_stay_as_they_are(squares: Image) -> None:
    """All weights of a tensor are alike, so that shuffling them changes nothing."""
    model = tiny_model()
    model.set_weights([np.full_like(weight, 0.5) for weight in model.get_weights()])
    told: list[tuple[int, int]] = []
    found = randomise_downwards(
        model,
        squares,
        [0] * 4,
        np.random.default_rng(0),
        stages=2,
        watch=lambda done, of: told.append((done, of)),
    )
    assert [one.correlation for one in found] == pytest.approx([1, 1])
    assert [one.similarity for one in found] == pytest.approx([1, 1])
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_the_same_seed_gives_the_same_figures(deep: keras.Model, squares: Image) -> None:
    one, other = (randomise_downwards(deep, squares, [1] * 4, np.random.default_rng(5), stages=2) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([[1, 2], [3, 4]], 1),
        ([[1, 4], [9, 16]], 1),
        ([[4, 3], [2, 1]], -1),
        ([[1, 3], [2, 4]], 0.8),
        ([[5, 5], [5, 5]], 0),
    ],
)
def test_the_correlation_is_that_of_the_ranks(other: list[list[float]], expected: float) -> None:
    one = np.array([[1, 2], [3, 4]], np.float32)
    assert correlation(one, np.array(other, np.float32)) == pytest.approx(expected)


def test_the_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 5, (6, 7)).astype(np.float32) for _ in range(2))  # with ties
    assert correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert correlation(one, _even(one)) == 0


def _even(like: FloatArray) -> FloatArray:
    return np.zeros_like(like)
