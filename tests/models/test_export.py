from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linecore.inspection import FloatArray
from linecore_models.answers import session_scores
from linecore_models.bundle import load_bundle
from linecore_models.dataset import label_indices, load_squares, read_folders
from linecore_models.export import parity_of
from linecore_models.interpreter import Session, find_runtime
from linecore_models.manifest import Agreement
from linecore_models.representative import MEASURED


def scores(answers: list[int], labels: int = 2) -> FloatArray:
    return np.eye(labels, dtype=np.float32)[answers] * 0.8 + np.float32(0.1)


def test_parity_counts_agreement_change_and_recall() -> None:
    truth = np.array([0] * 100 + [1] * 100)
    keras_answers, ours = truth.tolist(), truth.tolist()
    ours[0] = 1
    parity = parity_of(scores(keras_answers), scores(ours), truth, ("ok", "scratches"), relative_speed=1.5)
    assert (parity.top1_agreement.agree, parity.top1_agreement.of) == (199, 200)
    assert parity.max_probability_change == pytest.approx(0.8)
    assert parity.recall_change == pytest.approx({"ok": -0.01, "scratches": 0.0})
    assert parity.relative_speed == 1.5
    assert parity.passed


def test_too_little_agreement_does_not_pass() -> None:
    truth = np.array([0] * 100 + [1] * 100)
    ours = truth.copy()
    ours[[0, 100, 101]] = 1 - ours[[0, 100, 101]]
    assert not parity_of(scores(truth.tolist()), scores(ours.tolist()), truth, ("a", "b"), relative_speed=None).passed


def test_one_in_two_hundred_may_differ_and_no_more() -> None:
    truth = np.array([0] * 200 + [1] * 200)
    ours = truth.copy()
    ours[[0, 200]] = 1 - ours[[0, 200]]
    assert parity_of(scores(truth.tolist()), scores(ours.tolist()), truth, ("a", "b"), relative_speed=None).passed
    ours[1] = 1
    assert not parity_of(scores(truth.tolist()), scores(ours.tolist()), truth, ("a", "b"), relative_speed=None).passed


def test_answers_that_are_no_numbers_do_not_pass_however_well_they_agree() -> None:
    nothing = np.full((5, 2), np.nan, np.float32)
    parity = parity_of(nothing, nothing, np.zeros(5, np.int64), ("a", "b"), relative_speed=None)
    assert parity.top1_agreement.agree == 5
    assert not parity.passed


def test_line_conditions_are_told_of_and_decide_nothing() -> None:
    truth = np.zeros(5, np.int64)
    dark = {"dark": Agreement(agree=1, of=5)}
    parity = parity_of(scores([0] * 5), scores([0] * 5), truth, ("a", "b"), relative_speed=None, conditions=dark)
    assert parity.conditions == dark
    assert parity.passed


def test_a_rare_label_that_is_lost_does_not_pass_however_high_the_agreement() -> None:
    truth = np.array([0] * 990 + [1] * 10)
    ours = truth.copy()
    ours[-1] = 0
    parity = parity_of(scores(truth.tolist()), scores(ours.tolist()), truth, ("ok", "crazing"), relative_speed=None)
    assert parity.top1_agreement.share == 0.999
    assert parity.recall_change["crazing"] == pytest.approx(-0.1)
    assert not parity.passed


def test_a_label_without_held_out_frames_is_left_out_of_the_recalls() -> None:
    truth = np.zeros(5, np.int64)
    parity = parity_of(scores([0] * 5), scores([0] * 5), truth, ("ok", "crazing"), relative_speed=None)
    assert parity.recall_change == {"ok": 0.0}
    assert parity.passed


def test_a_bundles_figures_are_those_of_its_very_files(trained: Path, plates: Path) -> None:
    bundle = load_bundle(trained)
    manifest = bundle.manifest
    held = {name for names in manifest.split.files.values() for name in names}
    images = [image for image in read_folders([plates]) if image.name in held]
    truth = label_indices(images, manifest.labels)
    squares = load_squares(images, manifest.preprocessing)
    for variant in manifest.variants:
        file = bundle.verified(variant)
        answers = session_scores(Session(find_runtime(), file, file.read_bytes(), manifest), squares).argmax(axis=1)
        parity = manifest.variants[variant].parity
        assert parity is not None
        assert parity.top1_agreement.of == len(images) == 18
        assert [agreement.of for agreement in parity.conditions.values()] == [18] * len(MEASURED)
        tests = np.array([image.name in manifest.split.files["test"] for image in images])
        assert manifest.variants[variant].test["plates"].correct == (answers == truth)[tests].sum()
