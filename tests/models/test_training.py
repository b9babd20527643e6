from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import FloatArray
from linecore_models.architecture import ClassBias
from linecore_models.boxes import Box
from linecore_models.course import Course, Epoch
from linecore_models.dataset import LabelledImage
from linecore_models.pictures import Teaching
from linecore_models.recipe import Recipe
from linecore_models.run_folder import RunFolder
from linecore_models.training import Surroundings, Taught, Validation, train

SIDE = 16
LABELS = ("dot", "ok")
RECIPE = Recipe(
    weights="given",
    input_size=SIDE,
    head_epochs=1,
    fine_tune_epochs=2,
    batch_size=8,
    head_rate=0.05,
    seed=3,
    box_weight=1.0,
    overlap_weight=0.5,
)


def network(seed: int = 0, *, dropout: float = 0.2, batch_norm: bool = False) -> keras.Model:
    """A network of two layers with the names and outputs of the real one, which takes a second to compile."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((SIDE, SIDE, 1), name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    inside = keras.Input((SIDE, SIDE, 1))
    convolved = keras.layers.Conv2D(4, 8, strides=8, activation="relu")(inside)
    if batch_norm:
        convolved = keras.layers.BatchNormalization()(convolved)
    backbone = keras.Model(inside, convolved, name="backbone")
    features = keras.layers.SpatialDropout2D(dropout, seed=seed)(backbone(scaled))
    evidence = keras.layers.Conv2D(len(LABELS), 1, bias_initializer="ones", name="evidence")(features)
    class_maps = keras.layers.ReLU(name="class_maps")(evidence)
    logits = ClassBias(name="logits")(keras.layers.GlobalAveragePooling2D()(class_maps))
    return keras.Model(image, {"scores": keras.layers.Softmax()(logits), "class_maps": class_maps})


def squares(truth: list[int], seed: int) -> list[np.ndarray]:
    """A bright dot in a corner, or nothing but noise."""
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(40, 90, (SIDE, SIDE), dtype=np.uint8) for _ in truth]
    for square, label in zip(drawn, truth, strict=True):
        if LABELS[label] == "dot":
            square[:8, :8] = 230
    return drawn


def write_dots(folder: Path) -> Path:
    truth = [0, 1] * 10
    for number, (square, label) in enumerate(zip(squares(truth, 0), truth, strict=True)):
        cv2.imwrite(str(folder / f"{LABELS[label]}_{number}.png"), square)
    return folder


def teaching_in(folder: Path) -> Teaching:
    images = []
    for path in sorted(folder.iterdir()):
        label = path.stem.split("_")[0]
        boxes = (Box(0, 0, 8, 8, "dot"),) if label == "dot" else None
        images.append(LabelledImage(path, "dots", label, boxes=boxes))
    return Teaching(images, LABELS, ("ok",), {}, {})


def drawn_validation() -> Validation:
    truth = [0, 1] * 4
    some = np.stack(squares(truth, 1))
    return Validation(some, some, np.array(truth))


@pytest.fixture(scope="module")
def teaching(tmp_path_factory: pytest.TempPathFactory) -> Teaching:
    return teaching_in(write_dots(tmp_path_factory.mktemp("dots")))


@pytest.fixture(scope="module")
def validation() -> Validation:
    return drawn_validation()


class Killed(Exception):
    """What ends a run in the middle."""


class Notes:
    """A watcher that writes down what it is told, and may end the run after an epoch."""

    def __init__(self, last: int | None = None) -> None:
        self.plans: list[Course] = []
        self.steps: list[tuple[int, int]] = []
        self.epochs: list[Epoch] = []
        self._last = last

    def plan(self, course: Course) -> None:
        self.plans.append(course)

    def step(self, done: int, of: int) -> None:
        self.steps.append((done, of))

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        if epoch.number == self._last:
            raise Killed


def run(
    folder: Path,
    teaching: Teaching,
    validation: Validation,
    recipe: Recipe = RECIPE,
    notes: Notes | None = None,
    *,
    resume: bool = False,
    seconds: float = 1.0,
) -> Taught:
    """Train with a clock that goes on by so many seconds each time that it is asked."""
    ticks = count()
    around = Surroundings(RunFolder(folder), notes or Notes(), lambda: next(ticks) * seconds, resume=resume)
    kept = around.run.begin({"seed": recipe.seed, "rate": recipe.head_rate}, resume=resume)
    return train(network(), teaching, validation, recipe, around, kept)


def weights(taught: Taught) -> list[FloatArray]:
    return [np.array(variable) for variable in taught.model.variables]


@pytest.fixture(scope="module")
def whole(
    teaching: Teaching, validation: Validation, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Taught, Notes, Path]:
    """A run from beginning to end."""
    folder, notes = tmp_path_factory.mktemp("whole"), Notes()
    return run(folder, teaching, validation, notes=notes), notes, folder


def test_a_network_learns_in_two_stages_and_says_how_far_it_is(whole: tuple[Taught, Notes, Path]) -> None:
    taught, notes, _ = whole
    assert [epoch.stage for epoch in notes.epochs] == ["head", "whole", "whole"]
    assert notes.steps == [(step, 3) for _ in range(3) for step in (1, 2, 3)]
    assert taught.course.epochs == tuple(notes.epochs)
    # Of pictures that are the same in every epoch: those that teach are drawn anew.
    assert notes.epochs[-1].validation_loss < notes.epochs[0].validation_loss
    assert notes.plans[0].head.planned == 3


def test_only_the_head_learns_while_the_backbone_is_frozen(
    teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, fine_tune_epochs=0)
    taught = run(tmp_path, teaching, validation, recipe)
    before, after = (model.get_layer("backbone").get_weights() for model in (network(), taught.model))
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert not np.array_equal(
        network().get_layer("evidence").kernel.numpy(), taught.model.get_layer("evidence").kernel.numpy()
    )


def test_fine_tuning_moves_the_backbone(whole: tuple[Taught, Notes, Path]) -> None:
    kernel = whole[0].model.get_layer("backbone").trainable_variables[0].numpy()
    assert not np.array_equal(kernel, network().get_layer("backbone").trainable_variables[0].numpy())


def test_the_best_epochs_weights_are_kept(whole: tuple[Taught, Notes, Path], validation: Validation) -> None:
    taught = whole[0]
    scores = taught.model(validation.clean[..., np.newaxis].astype(np.float32), training=False)["scores"].numpy()
    loss = -np.log(scores[np.arange(len(scores)), validation.truth]).mean()
    assert loss == pytest.approx(taught.course.best.validation_loss, rel=1e-4)
    assert taught.course.best.validation_loss == min(epoch.validation_loss for epoch in taught.course.epochs)


def test_the_best_epochs_weights_are_kept_where_later_ones_are_worse(
    teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    # Validated on wrong labels, the first epoch is the best.
    taught = run(tmp_path, teaching, replace(validation, truth=1 - validation.truth))
    assert taught.course.best.number == 1 < len(taught.course.epochs)
    with np.load(tmp_path / "checkpoint.npz") as kept:
        best, last = (
            [kept[f"{kind}_{number}"] for number in range(len(taught.model.variables))] for kind in ("best", "weights")
        )
    assert all(np.array_equal(one, other) for one, other in zip(weights(taught), best, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(weights(taught), last, strict=True))


def test_a_run_leaves_settings_a_log_and_curves(whole: tuple[Taught, Notes, Path]) -> None:
    taught, _, folder = whole
    written = ["checkpoint.npz", "training.csv", "training.json", "training.png"]
    assert sorted(path.name for path in folder.iterdir()) == written
    assert json.loads((folder / "training.json").read_text()) == {"seed": 3, "rate": 0.05}
    with (folder / "training.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert [row["stage"] for row in rows] == ["head", "whole", "whole"]
    assert [float(row["validation_loss"]) for row in rows] == [epoch.validation_loss for epoch in taught.course.epochs]


def test_the_same_seed_gives_the_same_network_and_another_does_not(
    whole: tuple[Taught, Notes, Path], teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    same = run(tmp_path, teaching, validation)
    assert all(np.array_equal(one, other) for one, other in zip(weights(whole[0]), weights(same), strict=True))
    other = run(tmp_path, teaching, validation, replace(RECIPE, seed=4))
    assert not np.array_equal(weights(whole[0])[0], weights(other)[0])


@pytest.mark.parametrize("last", [1, 2])
def test_a_killed_run_goes_on_to_the_same_weights(
    whole: tuple[Taught, Notes, Path], teaching: Teaching, validation: Validation, tmp_path: Path, last: int
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, teaching, validation, notes=Notes(last))
    assert (tmp_path / "checkpoint.npz").is_file()
    notes = Notes()
    resumed = run(tmp_path, teaching, validation, notes=notes, resume=True)
    assert [epoch.number for epoch in notes.epochs] == list(range(last + 1, 4))
    assert resumed.course == whole[0].course
    assert all(np.array_equal(one, other) for one, other in zip(weights(whole[0]), weights(resumed), strict=True))
    assert (tmp_path / "training.csv").read_text() == (whole[2] / "training.csv").read_text()


def test_a_run_that_was_killed_after_its_last_epoch_learns_no_more(
    whole: tuple[Taught, Notes, Path], teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    run(tmp_path, teaching, validation)
    notes = Notes()
    again = run(tmp_path, teaching, validation, notes=notes, resume=True)
    assert notes.epochs == []
    assert all(np.array_equal(one, other) for one, other in zip(weights(whole[0]), weights(again), strict=True))
    RunFolder(tmp_path).forget()
    assert not (tmp_path / "checkpoint.npz").exists()


def test_a_run_with_other_settings_is_not_gone_on_with(
    teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, teaching, validation, notes=Notes(1))
    with pytest.raises(ConfigError, match=r"--resume: rate was 0.05 when the run in .* began and is 0.1 now"):
        run(tmp_path, teaching, validation, replace(RECIPE, head_rate=0.1), resume=True)


def test_a_run_that_an_older_linecore_began_is_not_gone_on_with(
    teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, teaching, validation, notes=Notes(1))
    (tmp_path / "training.json").write_text(json.dumps({"seed": 3}))
    with pytest.raises(ConfigError, match=r"or by another version of linecore; give the same, or begin anew"):
        run(tmp_path, teaching, validation, resume=True)


def test_a_run_begins_anew_where_there_is_nothing_to_go_on_from(
    whole: tuple[Taught, Notes, Path], teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    begun = run(tmp_path, teaching, validation, resume=True)
    assert begun.course == whole[0].course


def test_training_stops_when_nothing_gets_better(teaching: Teaching, validation: Validation, tmp_path: Path) -> None:
    # Validated on wrong labels, every step that learns the right ones makes it worse.
    wrong = replace(validation, truth=1 - validation.truth)
    recipe = replace(RECIPE, fine_tune_epochs=30, patience=2)
    course = run(tmp_path, teaching, wrong, recipe).course
    assert len(course.epochs) == max(course.best.number, course.head_epochs) + 2 < 31


def test_a_time_budget_plans_the_epochs_and_leaves_no_trace_of_its_timing(
    teaching: Teaching, validation: Validation, tmp_path: Path
) -> None:
    # Each step and each judging takes a second of this clock when they are timed, and each epoch one: 3 steps and 2
    # judgings are planned as 5 s, and the plan grows when the first epoch has taken but one.
    notes = Notes()
    course = run(tmp_path, teaching, validation, replace(RECIPE, time_budget=12.0, patience=99), notes).course
    assert notes.plans[0].head.planned == 2
    assert course.seconds == len(course.epochs) == 12
    assert course.head.fallen == pytest.approx(1)
    (unplanned := tmp_path / "unplanned").mkdir()
    first = run(unplanned, teaching, validation, replace(RECIPE, fine_tune_epochs=1)).course.epochs[0]
    assert (notes.epochs[0].stage, notes.epochs[0].loss) == ("head", first.loss)
