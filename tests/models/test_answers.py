from __future__ import annotations

from pathlib import Path

import pytest

from linecore_models.answers import Runner, bundle_answers, open_runner
from linecore_models.bundle import Bundle, load_bundle
from linecore_models.classification import tempered
from linecore_models.preprocessing import Preprocessing
from tests.bundles import SIZE, spot

SQUARES = Preprocessing(SIZE).squares(spot(value) for value in (0, 128, 255))


@pytest.mark.parametrize("runner", ["int8", "float16", "float32", "keras"])
def test_every_runner_answers_with_all_three_outputs(tiny_bundle: Path, runner: Runner) -> None:
    answers = bundle_answers(load_bundle(tiny_bundle), runner, SQUARES)
    assert len(answers) == 3
    assert answers.scores.argmax(axis=1).tolist() == [1, 0, 2]  # dark: patches; nothing: ok; bright: scratches
    assert answers.scores.sum(axis=1) == pytest.approx(1, abs=0.02)
    assert answers.class_maps.shape == (3, SIZE // 4, SIZE // 4, 3)
    assert answers.embedding.shape == (3, 2)


def test_scores_are_tempered_as_they_are_served_and_maps_are_not(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    warm = Bundle(bundle.folder, bundle.manifest.model_copy(update={"temperature": 4.0}))
    cold, tepid = (bundle_answers(one, "float32", SQUARES) for one in (bundle, warm))
    assert tepid.scores == pytest.approx(tempered(cold.scores, 4.0))
    assert (tepid.scores.max(axis=1) < cold.scores.max(axis=1)).all()
    assert (tepid.class_maps == cold.class_maps).all()


def test_answers_keep_their_order_whoever_shares_the_work(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    alone = open_runner(bundle, "float32", threads=1)(SQUARES)
    for threads in (2, 5):  # more sessions than images, too
        shared = open_runner(bundle, "float32", threads=threads)(SQUARES)
        assert (shared.scores == alone.scores).all()
        assert (shared.embedding == alone.embedding).all()
