from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_models.novelty import LEVELS, Novelty, of_length_one
from linecore_models.novelty_fit import SHRINKAGE, Indices, fit_novelty, whitening


def frames(seed: int, count: int = 300) -> tuple[FloatArray, Indices]:
    """Draw embeddings of two labels, spread more along some features than along others."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % 2
    means = np.array([[9, 1, 2, 3, 1], [2, 8, 1, 3, 5]])
    return (means[truth] + rng.normal(0, [0.1, 0.5, 0.2, 0.3, 0.05], (count, 5))).astype(np.float32), truth


def test_the_distance_is_the_textbook_one_but_for_a_factor() -> None:
    taught, truth = frames(0)
    asked = frames(1)[0]
    features, looks = of_length_one(taught.astype(np.float64)), of_length_one(asked.astype(np.float64))
    means = np.stack([features[truth == label].mean(axis=0) for label in (0, 1)])
    covariance = np.cov((features - means[truth]).T, bias=True)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 5 * np.eye(5)
    inverse = np.linalg.inv(covariance)
    textbook = np.sqrt([min((look - mean) @ inverse @ (look - mean) for mean in means) for look in looks])
    ratio = fit_novelty(taught, truth, asked).distances(asked) / textbook
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.01)


def test_quantiles_are_those_of_the_known_frames() -> None:
    taught, truth = frames(0)
    known, _ = frames(1, 1001)
    novelty = fit_novelty(taught, truth, known)
    order = np.argsort(novelty.distances(known))
    quantiles = novelty(known)[order]
    # The k-th of 1,001 in order has k / 1,000 of the others below it.
    np.testing.assert_allclose(quantiles, np.arange(1001) / 1000, atol=0.006)
    assert ((quantiles > 0.99).sum(), quantiles[-1]) == (10, 1)


def test_what_is_elsewhere_is_novel_and_what_is_new_of_the_same_is_not() -> None:
    novelty = fit_novelty(*frames(0), frames(1, 1000)[0])
    assert (novelty(np.array([[0, 0, 9, 0, 0], [9, 1, 2, 3, 4], [5, 5, 5, 5, 5]], np.float32)) == 1).all()
    assert (novelty(frames(2, 1000)[0]) > 0.99).mean() < 0.03


def test_light_alone_is_not_novel() -> None:
    known, _ = frames(1)
    novelty = fit_novelty(*frames(0), known)
    np.testing.assert_allclose(novelty(3 * known), novelty(known), atol=1e-3)


def test_the_file_answers_as_what_was_fitted(tmp_path: Path) -> None:
    novelty = fit_novelty(*frames(0), frames(1)[0])
    novelty.write(tmp_path / "novelty.npz")
    asked = frames(2)[0]
    np.testing.assert_array_equal(Novelty.read(tmp_path / "novelty.npz")(asked), novelty(asked))


def test_the_file_of_a_large_embedding_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    taught, truth = rng.random((700, 640), np.float32), np.arange(700) % 7
    fit_novelty(taught, truth, taught[:100]).write(tmp_path / "novelty.npz")
    assert (tmp_path / "novelty.npz").stat().st_size < 1_000_000


def test_features_that_never_change_do_no_harm() -> None:
    alike = np.ones((6, 3), np.float32)
    novelty = fit_novelty(alike, np.array([0, 0, 0, 1, 1, 1]), alike)
    assert np.isfinite(novelty.distances(alike)).all()
    assert novelty.of_frame(np.array([1, 0, 0], np.float32)) == 1
    assert novelty.knots.shape == LEVELS.shape


def test_whitening_makes_all_directions_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linecore_models.novelty_fit.SHRINKAGE", 0.001)
    deviations = np.random.default_rng(0).normal(0, [1, 10, 5], (5000, 3))
    deviations -= deviations.mean(axis=0)
    spread = (deviations @ whitening(deviations)).std(axis=0)
    assert spread == pytest.approx(np.ones(3), abs=0.3)
    covariance = np.cov((deviations @ whitening(deviations)).T)
    assert abs(covariance[np.triu_indices(3, 1)]).max() < 0.01
