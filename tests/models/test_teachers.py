from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from linecore.errors import ConfigError
from linecore.inspection import FloatArray
from linecore_models.architecture import build_model, class_bias
from linecore_models.bundle import Bundle, load_bundle, sha256_of
from linecore_models.commands.evaluate import evaluate
from linecore_models.commands.train import train
from linecore_models.keras_file import load_keras
from linecore_models.learner import Learner
from linecore_models.lesson import Lesson, as_told, lesson_of
from linecore_models.loss import EVIDENCE
from linecore_models.machines import Machines
from linecore_models.manifest import ModelFile
from linecore_models.recipe import GIVEN, Recipe
from linecore_models.teachers import HEARD, Teachers, blended, teaching_by
from tests.models.conftest import ALPHA, QUICKLY, SIDE, draw, train_tiny

LABELS = ("ok", "patches", "scratches")
RECIPE = Recipe(weights=GIVEN, input_size=SIDE, batch_size=5)


@pytest.fixture(scope="module")
def bundle(trained: Path) -> Bundle:
    return load_bundle(trained)


def learner(size: int = SIDE) -> keras.Model:
    return build_model(3, size, weights=GIVEN, alpha=ALPHA)


def drawn(count: int, size: int = SIDE) -> FloatArray:
    rng = np.random.default_rng(4)
    squares = [cv2.resize(draw(LABELS[number % 3], rng), (size, size)) for number in range(count)]
    return np.stack(squares)[..., np.newaxis].astype(np.float32)


def lesson(squares: FloatArray, told: Sequence[float], side: int = SIDE // 8) -> Lesson:
    count = len(squares)
    masks = np.zeros((count, side, side, 3), np.float32)
    masks[:, 0, 0, 1] = 1
    truth = np.eye(3, dtype=np.float32)[[number % 3 for number in range(count)]]
    weights = np.arange(1, count + 1, dtype=np.float32)
    return lesson_of([tf.constant(one) for one in (squares, truth, masks, np.array(told, np.float32), weights)])


def softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def said_by(bundle: Bundle, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what the finished model itself says: logits without what lowered good product, and evidence."""
    model = load_keras(bundle.verified_keras())
    maps = model(squares, training=False)["class_maps"].numpy()
    logits = maps.mean(axis=(1, 2)) + np.array(class_bias(model), np.float32)
    logits[:, 0] += float(bundle.manifest.training["good_product_lowered_by"] or 0)
    evidence = keras.Model(model.input, model.get_layer("evidence").output)(squares, training=False).numpy()
    return logits, evidence


def test_blends_are_of_the_first_and_the_last_at_shares_from_none_to_all() -> None:
    rows = tf.constant([[0.0], [0], [8], [80], [800]])
    # A quarter of the first row beside three of the last but one, then three of the second beside one of the last.
    assert blended(rows, 2)[:, 0].numpy().tolist() == [60, 200, 8, 80, 800]
    assert blended(rows, 0)[:, 0].numpy().tolist() == [0, 0, 8, 80, 800]


def test_of_pictures_that_are_no_blends_the_truth_counts_beside_the_teacher(bundle: Bundle) -> None:
    asked = lesson(drawn(5), [1, 1, 1, 1, 1])
    heard = Teachers([bundle], LABELS, learner())(asked)
    logits, evidence = said_by(bundle, heard.squares.numpy())
    scores, cells = softmax(logits), 1 / (1 + np.exp(-evidence / EVIDENCE))
    assert np.array_equal(heard.squares[2:], asked.squares[2:])
    expected = (1 - HEARD) * asked.labels.numpy() + HEARD * scores
    np.testing.assert_allclose(heard.labels[2:], expected[2:], atol=1e-5)
    expected = (1 - HEARD) * asked.cells.numpy() + HEARD * cells
    np.testing.assert_allclose(heard.cells[2:], expected[2:], atol=1e-5)
    np.testing.assert_allclose(heard.there[2:], (1 - HEARD) * asked.there[2:] + HEARD * scores[2:], atol=1e-5)


def test_of_blends_nothing_counts_but_the_teacher(bundle: Bundle) -> None:
    asked = lesson(drawn(5), [1, 1, 1, 1, 1])
    heard = Teachers([bundle], LABELS, learner())(asked)
    logits, evidence = said_by(bundle, heard.squares.numpy())
    assert np.array_equal(heard.squares, blended(asked.squares, 2))
    assert heard.weights.numpy().tolist() == [0.25 * 1 + 0.75 * 4, 0.75 * 2 + 0.25 * 5, 3, 4, 5]
    np.testing.assert_allclose(heard.labels[:2], softmax(logits)[:2], atol=1e-5)
    np.testing.assert_allclose(heard.there[:2], softmax(logits)[:2], atol=1e-5)
    np.testing.assert_allclose(heard.cells[:2], 1 / (1 + np.exp(-evidence[:2] / EVIDENCE)), atol=1e-5)
    assert heard.boxed.numpy().tolist() == [0, 0, 1, 1, 1]


def test_where_nobody_told_of_boxes_the_teacher_does(bundle: Bundle) -> None:
    heard = Teachers([bundle], LABELS, learner())(lesson(drawn(4), [1, 1, 0, 1]))
    _, evidence = said_by(bundle, heard.squares.numpy())
    np.testing.assert_allclose(heard.cells[2], 1 / (1 + np.exp(-evidence[2] / EVIDENCE)), atol=1e-5)
    assert heard.told.numpy().tolist() == [1, 1, 1, 1]
    assert heard.boxed.numpy().tolist() == [0, 0, 0, 1]


def test_several_say_the_mean_of_what_each_says(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that sees 16 more evidence for scratches everywhere, and whose good product was lowered by 2 more."""
    monkeypatch.setattr("linecore_models.teachers.HEARD", 1.0)
    model, training = load_keras(bundle.verified_keras()), bundle.manifest.training
    bias = model.get_layer("evidence").bias
    bias.assign(bias + np.array([0, 0, 16], np.float32))
    model.save(tmp_path / "model.keras")
    lowered = {"good_product_lowered_by": float(training["good_product_lowered_by"] or 0) + 2}
    file = ModelFile(file="model.keras", sha256=sha256_of(tmp_path / "model.keras"), bytes=1)
    other = Bundle(tmp_path, bundle.manifest.model_copy(update={"keras": file, "training": training | lowered}))
    asked = lesson(drawn(4), [1, 1, 1, 1])
    heard = Teachers([bundle, other], LABELS, learner())(asked)
    (logits, evidence), (logits_of_other, _) = (said_by(one, heard.squares.numpy()) for one in (bundle, other))
    np.testing.assert_allclose(heard.labels, softmax(np.asarray((logits + logits_of_other) / 2, np.float32)), atol=1e-5)
    cells = (evidence + np.array([0, 0, 8])) / EVIDENCE
    np.testing.assert_allclose(heard.cells, 1 / (1 + np.exp(-cells)), atol=1e-5)


def test_a_step_learns_what_the_teachers_say_and_leaves_them_as_they_are(bundle: Bundle) -> None:
    teachers, network = Teachers([bundle], LABELS, learner()), learner()
    heard: list[Lesson] = []

    def teach(asked: Lesson) -> Lesson:
        heard.append(teachers(asked))
        return heard[-1]

    asked = lesson(drawn(5), [1, 1, 1, 1, 1])
    batch = (asked.squares, asked.labels[:, ::-1], asked.boxes, asked.told, tf.ones(5))
    taught = [one._network for one in teachers._all]
    before = [model.get_weights() for model in taught]
    begun, steps = network.get_weights(), {}
    for name, how in (("heard", teach), ("alone", as_told)):
        network.set_weights(begun)
        steps[name] = Learner(network, RECIPE, [True, False, False], Machines(), how).step(batch, 1e-3, 1e-3)
    assert len(heard) == 1  # traced once
    # Random weights tell no label from another, so that only what is asked of the cells makes a difference.
    assert steps["heard"].box_loss != pytest.approx(steps["alone"].box_loss, rel=0.1)
    for model, weights in zip(taught, before, strict=True):
        assert all(np.array_equal(now, then) for now, then in zip(model.get_weights(), weights, strict=True))


def test_labels_may_stand_in_another_order(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linecore_models.teachers.HEARD", 1.0)
    asked = lesson(drawn(4), [1, 1, 1, 1])
    heard = Teachers([bundle], LABELS, learner())(asked)
    turned = Teachers([bundle], LABELS[::-1], learner())(asked)
    np.testing.assert_allclose(turned.labels, heard.labels.numpy()[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(turned.cells, heard.cells.numpy()[..., ::-1], atol=1e-6)


@pytest.mark.parametrize(("size", "how"), [(2 * SIDE, cv2.INTER_AREA), (SIDE // 2, cv2.INTER_LINEAR)])
def test_a_teacher_of_another_input_size_sees_the_squares_in_its_own(bundle: Bundle, size: int, how: int) -> None:
    side = 2 * SIDE // 8  # also of the small ones, for MobileNetV2 has none as small
    asked = lesson(drawn(4, size), [1, 1, 1, 1], side)
    heard = Teachers([bundle], LABELS, learner(2 * SIDE))(asked)
    small = [cv2.resize(square, (SIDE, SIDE), interpolation=how) for square in heard.squares.numpy()[..., 0]]
    logits, _ = said_by(bundle, np.stack(small)[..., np.newaxis])
    np.testing.assert_allclose(heard.labels[:2], softmax(logits)[:2], atol=1e-3)
    assert heard.cells.shape == (4, side, side, 3)


def test_no_teachers_change_nothing() -> None:
    assert teaching_by((), LABELS, learner()) is as_told


def test_a_teacher_that_does_not_know_a_label_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"--teacher is '.*plates', which has never seen 'dents'; leave this teacher"):
        teaching_by([bundle], ("ok", "dents"), learner())


def test_a_teacher_that_is_built_otherwise_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Conv2D(3, 1)])
    monkeypatch.setattr("linecore_models.teachers.load_keras", lambda path: foreign)
    with pytest.raises(ConfigError, match=r"cannot teach \(No such layer: logits\); leave this teacher out"):
        teaching_by([bundle], LABELS, learner())


@pytest.mark.parametrize("change", [{"input_size": 64}, {"labels": (*LABELS, "dents")}])
def test_a_teacher_whose_model_json_is_another_s_is_refused(bundle: Bundle, change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"it takes \(32, 32, 1\) and tells 3 labels, which is not what its"):
        teaching_by([Bundle(bundle.folder, bundle.manifest.model_copy(update=change))], LABELS, learner())


def test_what_a_model_knows_it_keeps_when_it_teaches_itself(
    plates: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, asked, real = tmp_path / "taught", [], Teachers.__call__

    def ask(teachers: Teachers, lesson: Lesson) -> Lesson:
        asked.append(teachers)
        return real(teachers, lesson)

    monkeypatch.setattr(Teachers, "__call__", ask)
    done = train_tiny(plates, trained, out, *QUICKLY, "--variants", "float32", "--teacher", str(trained))
    assert done.exit_code == 0, done.output
    taught, teacher = (load_bundle(folder).manifest for folder in (out, trained))
    assert teacher.keras is not None
    assert asked
    assert taught.training["teacher_1"] == "tiny 1"
    assert taught.training["teacher_1_sha256"] == teacher.keras.sha256
    assert taught.metrics["test"].correct == taught.metrics["test"].of
    assert taught.data.card is not None
    assert taught.data.card.seen == ()  # the same data, split alike
    assert "may have taught" not in done.output


def test_files_that_judge_and_may_have_taught_the_teacher_are_told(plates: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "taught"
    options = (*QUICKLY, "--variants", "float32", "--teacher", str(trained), "--seed", "1")
    done = train_tiny(plates, trained, out, *options)
    teacher, card = load_bundle(trained).manifest, load_bundle(out).manifest.data.card
    assert card is not None
    held = {name for names in load_bundle(out).manifest.split.files.values() for name in names}
    assert set(card.seen) == held - {name for names in teacher.split.files.values() for name in names} != set()
    assert f"{len(card.seen)} images to validate or test with may have taught a model" in done.output
    told = CliRunner().invoke(evaluate, [str(out), str(plates)], catch_exceptions=False).stdout
    tested = len(set(card.seen) & set(load_bundle(out).manifest.split.files["test"]))
    assert re.search(rf"Seen before +do not trust +{tested} of the 9 frames may have taught", told)


def test_a_teacher_that_is_not_there_or_would_be_replaced_is_refused(
    plates: Path, trained: Path, tmp_path: Path
) -> None:
    def refused(*arguments: object) -> None:
        words = [str(one) for one in (plates, "--weights", "none", "--force", *arguments)]
        CliRunner().invoke(train, words, catch_exceptions=False)

    with pytest.raises(ConfigError, match="--teacher is 'nobody', which cannot teach: 'nobody' is neither a bundled"):
        refused("--out", tmp_path / "out", "--teacher", "nobody")
    mine = shutil.copytree(trained, tmp_path / "mine")
    with pytest.raises(ConfigError, match=r"--out is '.*mine', the model that --teacher names; name another folder"):
        refused("--out", mine, "--teacher", mine)
    with pytest.raises(ConfigError, match=r"sees frames at an --even-contrast of 0, where this training has 0\.5"):
        refused("--out", tmp_path / "out", "--teacher", mine)
    (mine / "model.keras").unlink()
    with pytest.raises(ConfigError, match=r"which cannot teach: .*model\.keras is not there"):
        refused("--out", tmp_path / "out", "--teacher", mine)
    assert json.loads((mine / "model.json").read_text())["name"] == "tiny"
    assert not (tmp_path / "out").exists()
