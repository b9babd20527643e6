from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from linecore.errors import ModelError
from linecore_models.novelty import LEVELS, Elsewhere, Looks, Novelty, of_length_one
from linecore_models.novelty_fit import SHRINKAGE, Indices, Others, fit_novelty, whitening, with_others
from linecore_models.separation import separation_of
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


def test_what_was_shown_to_be_other_is_told_better_and_so_is_what_lies_that_way() -> None:
    """Others lie a little off, along the feature that varies most: a distance hardly sees that."""
    taught, truth = frames(0, 2000)
    known, asked = frames(1, 1000)[0], frames(2, 1000)[0]
    off = np.array([0, 1, 0, 0, 0])
    shown, that_way = (seen(asked.embedding + way * off, asked.bands) for way in (1.5, 1))
    alone = fit_novelty(taught, truth, known)
    both = with_others(alone, taught, known, Others(shown, [frozenset({"off"})] * 1000))

    def auroc(novelty: Novelty) -> float:
        return separation_of(novelty.distances(known), novelty.distances(that_way)).auroc

    assert auroc(both) > auroc(alone) + 0.05
    # Its quantiles are of the new distances, and what is far from all that is known is as novel as before.
    assert (both(known) > 0.99).mean() == pytest.approx(0.01, abs=0.002)
    assert (both(seen([[0, 0, 9, 0, 0], [9, 1, 2, 3, 4]])) == 1).all()


def test_log_odds_are_added_to_the_logarithm_in_the_unit_in_which_each_varies() -> None:
    taught, truth = frames(0)
    known, shown = frames(1)[0], frames(2)[0]
    shown = Looks(shown.embedding[:80] + np.float32(1), shown.bands[:80])
    others = Others(shown, [frozenset()] * len(shown))
    alone = fit_novelty(taught, truth, known)
    both = with_others(alone, taught, known, others)

    def features(looks: Looks) -> npt.NDArray[np.float64]:
        on_axes = of_length_one(looks.embedding) @ alone.centres.axes
        return np.column_stack([on_axes, np.log(alone.distances(looks))])

    learnt = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)).fit(
        np.concatenate([features(taught), features(others.looks)]), np.arange(len(taught) + len(shown)) >= len(taught)
    )
    of_known, of_shown = (learnt.decision_function(features(looks)) for looks in (known, shown))
    textbook = of_shown / of_known.std() + features(shown)[:, -1] / features(known)[:, -1].std()
    assert both.elsewhere is not None
    added = both.elsewhere.factors(of_length_one(shown.embedding)) > 1  # and not cut off
    assert added.sum() > 50
    slope, _ = np.polyfit(np.log(both.distances(shown))[added], textbook[added], 1)
    weight = learnt[1].coef_[0, -1] / learnt[0].scale_[-1] / of_known.std()
    assert slope == pytest.approx(1 / features(known)[:, -1].std() + weight, rel=1e-3)
    agreement = np.corrcoef(textbook[added], np.log(both.distances(shown))[added])[0, 1]
    np.testing.assert_allclose(agreement, 1, atol=1e-5)
    factors = both.elsewhere.factors(of_length_one(known.embedding))
    assert (factors == 1).mean() == pytest.approx(0.1, abs=0.01)  # least: where a tenth of the known lie


def test_others_of_a_family_can_be_left_out() -> None:
    others = Others(seen(np.arange(8).reshape(4, 2)), [frozenset(name) for name in ("a", "b", "ab", "c")])
    left = others.without("b")
    assert [set(seen) for seen in left.families] == [{"a"}, {"c"}]
    np.testing.assert_array_equal(left.looks.embedding, [[0, 1], [6, 7]])
    assert len(left.looks.bands) == 2


def test_the_file_keeps_the_way_to_other_surfaces_and_one_without_it_is_read_too(tmp_path: Path) -> None:
    taught, truth = frames(0)
    alone = fit_novelty(taught, truth, frames(1)[0])
    shown = Others(seen(frames(2)[0].embedding + 1), [frozenset()] * 300)
    for novelty in (alone, with_others(alone, taught, frames(1)[0], shown)):
        novelty.write(tmp_path / "novelty.npz")
        read = Novelty.read(tmp_path / "novelty.npz")
        assert (read.elsewhere is None) is (novelty.elsewhere is None)
        np.testing.assert_array_equal(read(frames(3)[0]), novelty(frames(3)[0]))


def test_a_way_of_another_length_than_the_embedding_is_refused(tmp_path: Path) -> None:
    novelty = replace(fit_novelty(*frames(0), frames(1)[0]), elsewhere=Elsewhere(np.ones(4, np.float32), 0.0))
    novelty.write(tmp_path / "novelty.npz")
    with pytest.raises(ModelError, match="holds novelty statistics of another make; export the model again"):
        Novelty.read(tmp_path / "novelty.npz")
    for way, least in ((np.full(5, np.nan, np.float32), 0.0), (np.ones(5, np.float32), np.inf)):
        replace(novelty, elsewhere=Elsewhere(way, least)).write(tmp_path / "novelty.npz")
        with pytest.raises(ModelError, match="holds novelty statistics of another make"):
            Novelty.read(tmp_path / "novelty.npz")


def test_known_frames_at_their_labels_mean_do_not_set_the_unit() -> None:
    """Ten frames of a label that never varies: what is far stays novel."""
    taught, truth = frames(0)
    known = frames(1)[0]
    still = seen(np.zeros((30, 5)), known.bands[:30])
    taught, known = taught.joined(still), known.joined(still)
    alone = fit_novelty(taught, np.append(truth, np.full(30, 2)), known)
    others = Others(seen(frames(2)[0].embedding + 1), [frozenset()] * 300)
    both = with_others(alone, taught, known, others)
    far = seen([[0, 0, 9, 0, 0], [0, 0, 0, 0, 9]])
    assert (alone(far) == 1).all()
    assert (both(far) == 1).all()


def test_known_frames_that_are_all_alike_leave_the_distance_as_it_is() -> None:
    alike = seen(np.ones((6, 3)))
    alone = fit_novelty(alike, np.array([0, 0, 0, 1, 1, 1]), alike)
    both = with_others(alone, alike, alike, Others(seen([[1, 0, 0], [0, 1, 0]]), [frozenset()] * 2))
    assert both.elsewhere is None


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
