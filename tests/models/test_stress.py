from __future__ import annotations

import cv2
import numpy as np
import pytest

from linecore.inspection import Image
from linecore_models.answers import Answers
from linecore_models.dataset import LabelledImage
from linecore_models.evaluation import wilson_interval
from linecore_models.manifest import Manifest
from linecore_models.stress import (
    CLEAN,
    CONDITIONS,
    LOOKS,
    Condition,
    looks,
    stress_table,
    stressed_squares,
)
from tests.bundles import LABELS, SIZE, spot, tiny_manifest

BLIND = Condition("lamp", "off", lambda image, _: np.zeros_like(image))
GLARE = Condition("lamp", "too near", lambda image, _: np.full_like(image, 255))
NOISY = Condition("Gaussian noise", "sigma 50", lambda image, rng: rng.integers(0, 255, image.shape, np.uint8))


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return tiny_manifest({})


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledImage]:
    """One grey plate, one with a dark spot and two with bright ones, 96 x 64 pixels."""
    folder = tmp_path_factory.mktemp("stress")
    drawn = [("ok", 128), ("patches", 0), ("scratches", 230), ("scratches", 255)]
    found = []
    for number, (label, value) in enumerate(drawn):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), spot(value, at=(30, 30), size=96)[:64])
        found.append(LabelledImage(path, "plates", label))
    return found


def by_contrast(squares: Image) -> Answers:
    """Answer as the darkest and the brightest pixel suggest, with a confidence of 0.8."""
    labels = np.where(squares.max(axis=(1, 2)) > 200, 2, np.where(squares.min(axis=(1, 2)) < 50, 1, 0))
    scores = np.where(np.arange(3) == labels[:, np.newaxis], 0.8, 0.1).astype(np.float32)
    return Answers(scores, np.zeros((len(squares), 1, 1, 3), np.float32), np.zeros((len(squares), 1), np.float32))


def test_each_condition_is_counted_by_itself(images: list[LabelledImage], manifest: Manifest) -> None:
    table = stress_table(images, by_contrast, manifest, conditions=(BLIND, GLARE))
    assert (table.clean.condition, table.clean.score.correct, table.clean.score.of) == ("clean", 4, 4)
    blind, glare = table.rows
    assert (blind.condition, blind.severity) == ("lamp", "off")
    assert (blind.score.correct, blind.score.escapes, blind.score.overkill) == (1, 0, 1)
    assert (glare.score.correct, glare.score.escapes, glare.score.overkill) == (2, 0, 1)
    assert blind.interval == wilson_interval(1, 4)
    assert blind.wrong == ("plates/ok/0.png", "plates/scratches/2.png", "plates/scratches/3.png")
    assert glare.wrong == ("plates/ok/0.png", "plates/patches/1.png")
    assert list(table.hardest.items()) == [
        ("plates/ok/0.png", 2),
        ("plates/scratches/2.png", 1),
        ("plates/scratches/3.png", 1),
        ("plates/patches/1.png", 1),
    ]
    assert blind.confidence == pytest.approx(0.8)
    assert blind.calibration_error == pytest.approx(0.8 - 0.25)


def test_the_mean_the_worst_and_the_sums_are_those_of_the_conditions(
    images: list[LabelledImage], manifest: Manifest
) -> None:
    table = stress_table(images, by_contrast, manifest, conditions=(GLARE, BLIND, BLIND))
    assert table.mean == pytest.approx((0.5 + 0.25 + 0.25) / 3)
    assert table.worst is table.rows[1]
    assert (table.judged, table.escapes, table.overkill) == (12, 0, 3)


def test_what_turns_every_defect_to_good_steel_is_an_escape(images: list[LabelledImage], manifest: Manifest) -> None:
    fog = Condition("fog", "thick", lambda image, _: np.full_like(image, 128))
    table = stress_table(images, by_contrast, manifest, conditions=(fog,))
    assert (table.escapes, table.overkill, table.passed) == (3, 0, 3)


def test_what_a_person_looks_at_does_not_pass(images: list[LabelledImage], manifest: Manifest) -> None:
    """The confidence is 0.8 for every frame."""
    fog = Condition("fog", "thick", lambda image, _: np.full_like(image, 128))
    for limit, passed in ((0.79, 3), (0.81, 0)):
        limited = manifest.model_copy(update={"min_confidence": limit})
        table = stress_table(images, by_contrast, limited, conditions=(fog,))
        assert (table.escapes, table.passed) == (3, passed)


def test_the_same_pictures_come_again_in_whatever_order(images: list[LabelledImage], manifest: Manifest) -> None:
    first = stressed_squares(images, NOISY, manifest, seed=0)
    again = stressed_squares(images[::-1], NOISY, manifest, seed=0)[::-1]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, stressed_squares(images, NOISY, manifest, seed=1))


def test_chance_differs_from_image_to_image_and_from_condition_to_condition(
    images: list[LabelledImage], manifest: Manifest
) -> None:
    one, other = stressed_squares([images[2], images[3]], NOISY, manifest, seed=0)
    assert not np.array_equal(one, other)
    milder = Condition("Gaussian noise", "sigma 40", NOISY.apply)
    assert not np.array_equal(one, stressed_squares([images[2]], milder, manifest, seed=0)[0])


def test_the_picture_is_changed_before_it_is_resized(images: list[LabelledImage], manifest: Manifest) -> None:
    seen: list[tuple[int, ...]] = []

    def look(image: Image, _: np.random.Generator) -> Image:
        seen.append(image.shape)
        return image

    squares = stressed_squares(images[:1], Condition("look", "once", look), manifest, seed=0)
    assert seen == [(64, 96)]
    assert squares.shape == (1, SIZE, SIZE)
    assert squares.dtype == np.uint8


def test_looks_are_each_image_clean_and_under_a_few_conditions(images: list[LabelledImage], manifest: Manifest) -> None:
    squares, truth = looks(images, manifest, 0)
    assert squares.shape == (4 * (1 + LOOKS), SIZE, SIZE)
    assert truth.tolist()[:4] == [0, 1, 2, 2]
    assert np.bincount(truth).tolist() == [4, 4, 8]
    assert np.array_equal(squares[:4], stressed_squares(images, CLEAN, manifest, 0))
    # Every condition has its share of many images.
    many = [images[0]] * len(CONDITIONS)
    assert len(looks(many, manifest, 0)[0]) == (1 + LOOKS) * len(CONDITIONS)


def test_progress_is_told(images: list[LabelledImage], manifest: Manifest) -> None:
    told: list[tuple[int, int]] = []
    stress_table(images, by_contrast, manifest, conditions=(BLIND,), watch=lambda done, of: told.append((done, of)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_every_condition_of_the_table_changes_a_picture_and_leaves_the_file_s_pixels_alone() -> None:
    image = np.random.default_rng(0).integers(30, 220, (60, 80), np.uint8)
    before = image.copy()
    image.flags.writeable = False
    for condition in CONDITIONS:
        changed = condition.apply(image, np.random.default_rng(1))
        assert changed.dtype == np.uint8, condition
        assert changed.shape in ((60, 80), (80, 60)), condition
        assert changed.shape != image.shape or (changed != image).any(), condition
        np.testing.assert_array_equal(image, before)
    assert CLEAN.apply(image, np.random.default_rng(0)) is image


def test_the_table_names_each_condition_once_and_at_two_severities_at_least() -> None:
    keys = [(condition.name, condition.severity) for condition in CONDITIONS]
    names = [name for name, _ in keys]
    assert len(set(keys)) == len(keys)
    assert len(set(names)) >= 15
    assert all(names.count(name) >= 2 for name in names)


@pytest.mark.parametrize(
    "key",
    [
        ("Gaussian noise", "sigma 20"),
        ("shot noise", "50 photons for white"),
        ("salt-and-pepper", "1 % of the pixels"),
        ("defocus", "sigma 2 px"),
        ("motion blur", "9 px along the rows"),
        ("JPEG", "quality 15"),
        ("lower resolution", "half the pixels a side"),
        ("right-angle rotation", "90 degrees"),
    ],
)
def test_what_a_frozen_model_was_measured_under_is_in_the_table(key: tuple[str, str]) -> None:
    assert key in [(condition.name, condition.severity) for condition in CONDITIONS]


def of_table(name: str, severity: str) -> Condition:
    (found,) = (one for one in CONDITIONS if (one.name, one.severity) == (name, severity))
    return found


def test_the_severities_are_those_that_are_named() -> None:
    rng = np.random.default_rng(0)
    grey = np.full((200, 200), 128, np.uint8)
    noisy = of_table("Gaussian noise", "sigma 20").apply(grey, rng)
    assert noisy.std() == pytest.approx(20, rel=0.03)
    # Poisson: 128/255 * 50 photons on average, so that the deviation is 128 / sqrt(25.1).
    shot = of_table("shot noise", "50 photons for white").apply(grey, rng)
    assert shot.std() == pytest.approx(128 / np.sqrt(128 / 255 * 50), rel=0.05)
    peppered = of_table("salt-and-pepper", "1 % of the pixels").apply(grey, rng)
    assert (peppered != grey).mean() == pytest.approx(0.01, rel=0.2)
    dot = np.zeros((41, 41), np.uint8)
    dot[20, 20] = 255
    along = of_table("motion blur", "9 px along the rows").apply(dot, rng)
    assert along.any(axis=0).sum() == 9
    assert along.any(axis=1).sum() == 1
    down = of_table("motion blur", "9 px down the columns").apply(dot, rng)
    np.testing.assert_array_equal(down, along.T)
    moved = of_table("shift", "15 px in both directions").apply(dot, rng)
    assert {abs(int(at) - 20) for at in np.argwhere(moved)[0]} == {15}
    turned = of_table("right-angle rotation", "90 degrees").apply(np.arange(6, dtype=np.uint8).reshape(2, 3), rng)
    np.testing.assert_array_equal(turned, [[2, 5], [1, 4], [0, 3]])


def test_the_labels_of_the_tiny_model_are_those_of_these_tests() -> None:
    assert LABELS == ("ok", "patches", "scratches")
