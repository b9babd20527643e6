"""The stress table: how a model does under each condition of a line, at fixed severities.

Conditions change the picture at its native size, as the camera gives it, before it is resized for the model.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image
from linecore_models import conditions as line
from linecore_models.answers import Ask
from linecore_models.calibration import reliability_of
from linecore_models.dataset import LabelledImage, label_indices, load_image, load_squares
from linecore_models.evaluation import Indices, confusion_of, score_of, wilson_interval
from linecore_models.manifest import Manifest, Score

Change = Callable[[Image, np.random.Generator], Image]
"""Takes a grey image (uint8, HxW) and returns a new one; what is random in it, it draws from the generator."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a line does to a picture, at one severity."""

    name: str
    severity: str
    apply: Change


@dataclass(frozen=True, slots=True)
class Endured:
    """How a model did on all images under one condition."""

    condition: str
    severity: str
    score: Score
    interval: tuple[float, float]  # Wilson, 95 %, of the accuracy
    confidence: float  # mean, of the labels that were answered
    calibration_error: float  # expected calibration error, 0..1
    passed: int  # defects that pass on a line that asks a person below the bundle's min_confidence
    wrong: tuple[str, ...]  # the images that were given another label than theirs, by name


@dataclass(frozen=True, slots=True)
class StressTable:
    """How a model did as the images are, and under each condition."""

    clean: Endured
    rows: tuple[Endured, ...]

    @property
    def mean(self) -> float:
        """Accuracy, averaged over the conditions; the clean images are not among them."""
        return float(np.mean([row.score.accuracy for row in self.rows]))

    @property
    def worst(self) -> Endured:
        """The condition of the lowest accuracy; the first of several."""
        return min(self.rows, key=lambda row: row.score.accuracy)

    @property
    def hardest(self) -> dict[str, int]:
        """Name of each image that is wrong under some condition -> under how many, the most first."""
        return dict(Counter(name for row in self.rows for name in row.wrong).most_common())

    @property
    def judged(self) -> int:
        """Frames under all conditions together."""
        return sum(row.score.of for row in self.rows)

    @property
    def escapes(self) -> int:
        """Defects that were given a pass label, under all conditions together."""
        return sum(row.score.escapes for row in self.rows)

    @property
    def passed(self) -> int:
        """Those of them that pass on a line that asks a person below the bundle's min_confidence."""
        return sum(row.passed for row in self.rows)

    @property
    def overkill(self) -> int:
        """Good frames that were given a defect's label, under all conditions together."""
        return sum(row.score.overkill for row in self.rows)


def _fixed(change: Callable[..., Image], *severity: float, **options: bool) -> Change:
    return lambda image, rng: change(image, *severity, **options)


def _drawn(change: Callable[..., Image], *severity: float) -> Change:
    return lambda image, rng: change(image, *severity, rng)


def _somewhere(change: Callable[..., Image], *severity: float) -> Change:
    """Let chance say which way each of the severities goes."""
    return lambda image, rng: change(image, *(float(rng.choice((-size, size))) for size in severity))


def _lit_from_anywhere(levels: float) -> Change:
    return lambda image, rng: line.light_ramp(image, levels, float(rng.uniform(0, 360)))


CONDITIONS = (
    Condition("Gaussian noise", "sigma 10", _drawn(line.gaussian_noise, 10)),
    Condition("Gaussian noise", "sigma 20", _drawn(line.gaussian_noise, 20)),
    Condition("shot noise", "100 photons for white", _drawn(line.shot_noise, 100)),
    Condition("shot noise", "50 photons for white", _drawn(line.shot_noise, 50)),
    Condition("salt-and-pepper", "0.5 % of the pixels", _drawn(line.salt_and_pepper, 0.005)),
    Condition("salt-and-pepper", "1 % of the pixels", _drawn(line.salt_and_pepper, 0.01)),
    Condition("defocus", "sigma 1 px", _fixed(line.defocus, 1)),
    Condition("defocus", "sigma 2 px", _fixed(line.defocus, 2)),
    Condition("motion blur", "5 px along the rows", _fixed(line.motion_blur, 5, 0)),
    Condition("motion blur", "9 px along the rows", _fixed(line.motion_blur, 9, 0)),
    Condition("motion blur", "9 px down the columns", _fixed(line.motion_blur, 9, 90)),
    Condition("brightness", "+40 levels", _fixed(line.brightness, 40)),
    Condition("brightness", "+70 levels", _fixed(line.brightness, 70)),
    Condition("brightness", "-40 levels", _fixed(line.brightness, -40)),
    Condition("brightness", "-70 levels", _fixed(line.brightness, -70)),
    Condition("contrast", "x 0.6", _fixed(line.contrast, 0.6)),
    Condition("contrast", "x 0.4", _fixed(line.contrast, 0.4)),
    Condition("contrast", "x 1.5", _fixed(line.contrast, 1.5)),
    Condition("contrast", "x 2.0", _fixed(line.contrast, 2.0)),
    Condition("gamma", "exponent 0.7", _fixed(line.gamma, 0.7)),
    Condition("gamma", "exponent 0.5", _fixed(line.gamma, 0.5)),
    Condition("gamma", "exponent 1.5", _fixed(line.gamma, 1.5)),
    Condition("gamma", "exponent 2.0", _fixed(line.gamma, 2.0)),
    Condition("light ramp", "60 levels", _lit_from_anywhere(60)),
    Condition("light ramp", "120 levels", _lit_from_anywhere(120)),
    Condition("vignette", "40 % lost in the corners", _fixed(line.vignette, 0.4)),
    Condition("vignette", "70 % lost in the corners", _fixed(line.vignette, 0.7)),
    Condition("JPEG", "quality 30", _fixed(line.jpeg, 30)),
    Condition("JPEG", "quality 15", _fixed(line.jpeg, 15)),
    Condition("lower resolution", "0.7 of the pixels a side", _fixed(line.lower_resolution, 0.7)),
    Condition("lower resolution", "half the pixels a side", _fixed(line.lower_resolution, 0.5)),
    Condition("dust", "7 specks", _drawn(line.dust, 7)),
    Condition("dust", "15 specks", _drawn(line.dust, 15)),
    Condition("shift", "15 px in both directions", _somewhere(line.shift, 15, 15)),
    Condition("shift", "30 px in both directions", _somewhere(line.shift, 30, 30)),
    Condition("scale", "x 0.85", _fixed(line.scale, 0.85)),
    Condition("scale", "x 0.7", _fixed(line.scale, 0.7)),
    Condition("scale", "x 1.2", _fixed(line.scale, 1.2)),
    Condition("scale", "x 1.4", _fixed(line.scale, 1.4)),
    Condition("small rotation", "7 degrees", _somewhere(line.rotate, 7)),
    Condition("small rotation", "15 degrees", _somewhere(line.rotate, 15)),
    Condition("right-angle rotation", "90 degrees", _fixed(line.quarter_turns, 1)),
    Condition("right-angle rotation", "180 degrees", _fixed(line.quarter_turns, 2)),
    Condition("right-angle rotation", "270 degrees", _fixed(line.quarter_turns, 3)),
    Condition("flip", "left to right", _fixed(line.mirror, sides=True)),
    Condition("flip", "top to bottom", _fixed(line.mirror, upside=True)),
)
"""The table, each condition from mild to severe. Fixed, so that two models, or two days, see the same pictures."""

LOOKS = 3
"""Line conditions that a frame comes under, beside coming as it is, where all of them would take too long."""

CLEAN = Condition("clean", "as it is", lambda image, _: image)


def stress_table(
    images: Sequence[LabelledImage],
    answer: Ask,
    manifest: Manifest,
    *,
    conditions: Sequence[Condition] = CONDITIONS,
    seed: int = 0,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> StressTable:
    """Let a model judge *images* (one at least) under each of *conditions*.

    *answer* is the runner that is measured. One condition is in memory at a time. *watch* is told how
    many of how many conditions are done, the clean images included. The random parts follow from *seed*, the image's
    name and the condition alone: the same pictures whatever else is measured, and in whatever order.

    Raises:
        ConfigError: an image cannot be read.
    """
    truth = label_indices(images, manifest.labels)
    rows = []
    for done, condition in enumerate((CLEAN, *conditions)):
        watch(done, len(conditions) + 1)
        scores = answer(stressed_squares(images, condition, manifest, seed)).scores
        answers = scores.argmax(axis=1)
        score = score_of(confusion_of(truth, answers, len(manifest.labels)), manifest.labels, manifest.pass_labels)
        rows.append(
            Endured(
                condition.name,
                condition.severity,
                score,
                wilson_interval(score.correct, score.of),
                float(scores.max(axis=1).mean()),
                reliability_of(scores, truth).ece,
                int((judged_good(scores, manifest) & ~np.isin(truth, _passes(manifest))).sum()),
                tuple(images[index].name for index in np.flatnonzero(answers != truth).tolist()),
            )
        )
    watch(len(rows), len(rows))
    return StressTable(rows[0], tuple(rows[1:]))


def judged_good(scores: FloatArray, manifest: Manifest) -> npt.NDArray[np.bool_]:
    """Return which frames are a PASS where a person is asked below the bundle's min_confidence; *scores* N x labels."""
    return sure(scores, manifest) & np.isin(scores.argmax(axis=1), _passes(manifest))


def sure(scores: FloatArray, manifest: Manifest) -> npt.NDArray[np.bool_]:
    """Return for which frames nobody is asked: those of the bundle's min_confidence or more."""
    # In float64, as a line compares: 0.8 of float32 is more than 0.8.
    confident: npt.NDArray[np.bool_] = scores.max(axis=1).astype(np.float64) >= (manifest.min_confidence or 0.0)
    return confident


def _passes(manifest: Manifest) -> list[int]:
    return [place for place, label in enumerate(manifest.labels) if label in manifest.pass_labels]


def looks(images: Sequence[LabelledImage], manifest: Manifest, seed: int) -> tuple[Image, Indices]:
    """Return images as the model sees them, clean and each under `LOOKS` conditions, and the truth of each square.

    Squares are uint8, (1 + LOOKS) N x size x size, the clean ones first; every condition has its share of the images.

    Raises:
        ConfigError: an image cannot be read.
    """
    squares = [load_squares(images, manifest.preprocessing)]
    truth = [label_indices(images, manifest.labels)]
    for place, condition in enumerate(CONDITIONS):
        under = [image for index, image in enumerate(images) if (place - index) % len(CONDITIONS) < LOOKS]
        squares.append(stressed_squares(under, condition, manifest, seed))
        truth.append(label_indices(under, manifest.labels))
    return np.concatenate(squares), np.concatenate(truth)


def stressed_squares(images: Sequence[LabelledImage], condition: Condition, manifest: Manifest, seed: int) -> Image:
    """Return the images under a condition as the model sees them: uint8, N x size x size."""
    return manifest.preprocessing.squares(
        condition.apply(load_image(image), _rng(image, condition, seed)) for image in images
    )


def _rng(image: LabelledImage, condition: Condition, seed: int) -> np.random.Generator:
    # CRC and not hash(): Python's own differs from process to process.
    drawn_for = (f"{condition.name}, {condition.severity}", image.name)
    return np.random.default_rng([seed, *(zlib.crc32(text.encode()) for text in drawn_for)])
