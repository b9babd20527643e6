from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from linecore_models.novelty import LEVELS, Looks, Novelty, of_length_one
from linecore_models.novelty_fit import SHRINKAGE, Indices, fit_novelty, whitening
from linecore_models.spectrum import BANDS


def frames(seed: int, count: int = 300) -> tuple[Looks, Indices]:
    """Draw embeddings of two labels, spread more along some features than along others, and spectra."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % 2
    means = np.array([[9, 1, 2, 3, 1], [2, 8, 1, 3, 5]])
    embedding = means[truth] + rng.normal(0, [0.1, 0.5, 0.2, 0.3, 0.05], (count, 5))
    return seen(embedding, 2 + rng.normal(0, 0.3, (count, BANDS))), truth


def seen(embedding: npt.ArrayLike, bands: npt.ArrayLike = 2.0) -> Looks:
    """Put frames together; bands are in the middle of what is known unless given."""
    features = np.asarray(embedding, np.float32)
    return Looks(features, np.broadcast_to(np.asarray(bands, np.float32), (len(features), BANDS)))


def test_the_distance_is_the_textbook_one_but_for_a_factor() -> None:
    taught, truth = frames(0)
    asked = frames(1)[0]
    features, looks = (of_length_one(some.embedding.astype(np.float64)) for some in (taught, asked))
    means = np.stack([features[truth == label].mean(axis=0) for label in (0, 1)])
    covariance = np.cov((features - means[truth]).T, bias=True)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 5 * np.eye(5)
    inverse = np.linalg.inv(covariance)
    textbook = np.sqrt([min((look - mean) @ inverse @ (look - mean) for mean in means) for look in looks])
    ratio = fit_novelty(taught, truth, asked).centres.distances(of_length_one(asked.embedding)) / textbook
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
    assert (novelty(seen([[0, 0, 9, 0, 0], [9, 1, 2, 3, 4], [5, 5, 5, 5, 5]])) == 1).all()
    assert (novelty(frames(2, 1000)[0]) > 0.99).mean() < 0.03


def test_a_spectrum_that_no_known_frame_has_is_novel_whatever_the_embedding_says() -> None:
    known, _ = frames(1, 1000)
    novelty = fit_novelty(*frames(0), known)
    middle = known.embedding[:1]
    assert (novelty(seen(np.tile(middle, (2, 1)), [[2, 2, 2, 0, 0, 0], [5, 2, 2, 2, 2, 2]])) == 1).all()
    assert novelty(seen(middle)) == novelty(seen(middle, [[2.2, 1.8, 2, 2.2, 2, 2]])) < 1
    # A frame of a thousand is beyond the border.
    assert novelty.spectrum is not None
    assert (novelty.spectrum.beyond(known.bands) > 0).sum() == 1


def test_light_alone_is_not_novel() -> None:
    known, _ = frames(1)
    novelty = fit_novelty(*frames(0), known)
    np.testing.assert_allclose(novelty(replace(known, embedding=3 * known.embedding)), novelty(known), atol=1e-3)


def test_the_file_answers_as_what_was_fitted(tmp_path: Path) -> None:
    novelty = fit_novelty(*frames(0), frames(1)[0])
    novelty.write(tmp_path / "novelty.npz")
    asked = frames(2)[0]
    np.testing.assert_array_equal(Novelty.read(tmp_path / "novelty.npz")(asked), novelty(asked))


def test_the_file_of_a_large_embedding_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    taught, truth = rng.random((700, 640), np.float32), np.arange(700) % 7
    fit_novelty(seen(taught), truth, seen(taught[:100])).write(tmp_path / "novelty.npz")
    assert (tmp_path / "novelty.npz").stat().st_size < 1_000_000


def test_features_that_never_change_do_no_harm() -> None:
    alike = seen(np.ones((6, 3)))
    novelty = fit_novelty(alike, np.array([0, 0, 0, 1, 1, 1]), alike)
    assert np.isfinite(novelty.distances(alike)).all()
    assert novelty(seen([[1, 0, 0]])) == 1
    assert novelty.knots.shape == LEVELS.shape


def test_whitening_makes_all_directions_alike() -> None:
    deviations = np.random.default_rng(0).normal(0, [1, 10, 5], (5000, 3))
    deviations -= deviations.mean(axis=0)
    spread = (deviations @ whitening(deviations, 0.001)).std(axis=0)
    assert spread == pytest.approx(np.ones(3), abs=0.3)
    covariance = np.cov((deviations @ whitening(deviations, 0.001)).T)
    assert abs(covariance[np.triu_indices(3, 1)]).max() < 0.01
