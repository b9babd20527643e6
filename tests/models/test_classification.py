from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import ModelId
from linecore_models.classification import classification, tempered
from tests.bundles import LABELS, tiny_manifest

MODEL = ModelId("tiny", "1.0.0", "0" * 64)
SCORES = np.array([0.1, 0.2, 0.7], np.float32)
MAPS = np.arange(12, dtype=np.float32).reshape(2, 2, 3)


def test_scores_and_maps_get_their_labels_names() -> None:
    says = classification(SCORES, MAPS, tiny_manifest({}), MODEL)
    assert says.label == "scratches"
    assert says.confidence == pytest.approx(0.7)
    assert list(says.scores) == list(LABELS)
    np.testing.assert_array_equal(says.class_maps["patches"], [[1, 4], [7, 10]])
    assert says.model == MODEL
    assert says.region_threshold is None


def test_the_threshold_of_the_regions_is_the_model_s() -> None:
    manifest = tiny_manifest({}).model_copy(update={"region_threshold": 0.1})
    assert classification(SCORES, MAPS, manifest, MODEL).region_threshold == 0.1


def test_temperature_makes_a_model_less_sure_and_changes_no_label() -> None:
    calm = tempered(SCORES, 2.0)
    logits = np.log(SCORES) / 2
    np.testing.assert_allclose(calm, np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)
    assert calm.sum() == pytest.approx(1)
    manifest = tiny_manifest({}).model_copy(update={"temperature": 2.0})
    says = classification(SCORES, MAPS, manifest, MODEL)
    assert says.label == "scratches"
    assert says.confidence == pytest.approx(float(calm[2]))


def test_temperature_one_changes_nothing() -> None:
    assert tempered(SCORES, 1.0) is SCORES


def test_a_score_of_zero_stays_a_number() -> None:
    np.testing.assert_allclose(tempered(np.array([0, 1], np.float32), 1.5), [0, 1], atol=1e-20)


def test_novelty_is_told_where_it_was_measured() -> None:
    manifest = tiny_manifest({})
    assert classification(SCORES, MAPS, manifest, MODEL).novelty is None
    assert classification(SCORES, MAPS, manifest, MODEL, novelty=0.25).novelty == 0.25
