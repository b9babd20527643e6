from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from linecore_models.novelty import Looks
from linecore_models.novelty_fit import fit_novelty
from linecore_models.novelty_methods import KEPT, METHODS, NEIGHBOURS, Seen, compare
from linecore_models.spectrum import BANDS

RNG = np.random.default_rng(0)
FRAMES = 600
TRUTH = np.arange(FRAMES) % 3
LOGITS = RNG.normal(0, 3, (FRAMES, 3)).astype(np.float32)


def seen(seed: int, shift: float = 0.0) -> Seen:
    """Draw frames of three labels, moved away along the last features."""
    rng = np.random.default_rng(seed)
    embedding = rng.gamma(2, 1, (FRAMES, 80))
    embedding[np.arange(FRAMES), TRUTH] += 10
    embedding[:, 70:] += shift
    return Seen(embedding.astype(np.float32), LOGITS)


def test_scores_methods_are_the_published_ones() -> None:
    some = seen(0)
    np.testing.assert_allclose(
        METHODS["least confidence"](some, TRUTH)(some), 1 - softmax(LOGITS, axis=1).max(axis=1), atol=1e-6
    )
    np.testing.assert_allclose(METHODS["energy"](some, TRUTH)(some), -logsumexp(LOGITS, axis=1), rtol=1e-5)
    np.testing.assert_allclose(METHODS["low logit"](some, TRUTH)(some), -LOGITS.max(axis=1))


def test_neighbours_are_those_of_scikit_learn() -> None:
    taught, asked = seen(0), seen(1)
    distances, _ = (
        NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(taught.embedding).kneighbors(asked.embedding)
    )
    np.testing.assert_allclose(METHODS["neighbours"](taught, TRUTH)(asked), distances[:, -1], atol=1e-5)


def test_mahalanobis_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linecore_models.novelty_methods.SHRINKAGE", 0)
    some = Seen(seen(0).embedding[:, :5], LOGITS)
    one_label = np.zeros(FRAMES, np.int64)
    expected = EmpiricalCovariance().fit(some.embedding.astype(np.float64)).mahalanobis(some.embedding)
    np.testing.assert_allclose(METHODS["Mahalanobis"](some, one_label)(some), expected, rtol=1e-5)
    np.testing.assert_allclose(METHODS["relative Mahalanobis"](some, one_label)(some), 0, atol=1e-9)


def test_the_kept_one_is_what_is_served() -> None:
    taught, asked = seen(0), seen(1, shift=2)
    taught_looks, asked_looks = (
        Looks(some.embedding, np.zeros((FRAMES, BANDS), np.float32)) for some in (taught, asked)
    )
    served = fit_novelty(taught_looks, TRUTH, taught_looks).distances(asked_looks)
    ratio = np.sqrt(METHODS[KEPT](taught, TRUTH)(asked)) / served
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.01)


def test_methods_of_the_embedding_see_what_is_elsewhere() -> None:
    found = compare(seen(0), TRUTH, seen(1), {"far": seen(2, shift=8), "none": seen(3)})
    assert found.keys() == METHODS.keys()
    for name, separations in found.items():
        if name in ("least confidence", "low logit", "energy"):
            assert separations["far"].auroc == pytest.approx(0.5)  # they have the same logits
        else:
            # Relative ones see little where labels do not differ: the two distances nearly cancel.
            assert separations["far"].auroc > (0.65 if name.startswith("relative") else 0.9), name
            assert separations["none"].auroc == pytest.approx(0.5, abs=0.15), name
