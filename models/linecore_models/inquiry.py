"""Measures a finished bundle on images: those that it was tested on, or new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from linecore.errors import ConfigError, ModelError
from linecore.validation import did_you_mean
from linecore_models.answers import Runner, bundle_scores
from linecore_models.bundle import Bundle
from linecore_models.dataset import LabelledImage, folder_hashes, label_indices, load_squares
from linecore_models.evaluation import agreement_of, metrics_of, wilson_interval
from linecore_models.manifest import Agreement, Manifest, Metrics

Part = Literal["test", "validation", "train", "all"]
PARTS: tuple[Part, ...] = ("test", "validation", "train", "all")


class Evaluation(BaseModel):
    """What ``linecore evaluate --json`` prints."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    variant: Runner
    split: Part
    labels: tuple[str, ...]
    metrics: Metrics
    interval: tuple[float, float]  # Wilson, 95 %, of the accuracy
    against: Runner | None = None
    agreement: Agreement | None = None


def of_part(part: Part, images: Sequence[LabelledImage], manifest: Manifest) -> tuple[LabelledImage, ...]:
    """Return the images that belong to a part of the model's split.

    The images that taught are not named in model.json: they are all that is not held out of a data folder, and its
    hash tells whether this is that folder.

    Raises:
        ConfigError: none belongs to it, or it cannot be told.
    """
    if part == "all":
        return tuple(images)
    if part == "train":
        for folder, digest in folder_hashes(images).items():
            if manifest.data.folders.get(folder) != digest:
                raise ConfigError(
                    f"{folder} is not, or no longer, what {manifest.name} {manifest.version} was trained on, so that "
                    "its training images cannot be told; choose --split all"
                )
        held = {name for names in manifest.split.files.values() for name in names}
        return tuple(image for image in images if image.name not in held)
    wanted = set(manifest.split.files[part])
    found = tuple(image for image in images if image.name in wanted)
    if not found:
        example = next(iter(manifest.split.files[part]), "no file")
        raise ConfigError(
            f"the data holds none of the {len(wanted)} {part} images of {manifest.name} {manifest.version}, which are "
            f"called like {example}; name that folder, or choose --split all"
        )
    return found


def evaluate_bundle(
    bundle: Bundle, runner: Runner | None, images: Sequence[LabelledImage], *, part: Part, against: Runner | None = None
) -> Evaluation:
    """Let a model judge *images* and count what it gets right.

    Raises:
        ConfigError: an image cannot be read, or its label is none of the model's.
        ModelError: the bundle does not hold that model, or it is damaged or was found unfit.
    """
    manifest = bundle.manifest
    for image in images:
        if image.label not in manifest.labels:
            hint = did_you_mean(image.label, manifest.labels) or f"; it knows {', '.join(manifest.labels)}"
            raise ConfigError(f"{image.path.parent} is a class that {manifest.name} does not know{hint}")
    if runner is None:
        runner = _first_served(bundle)
    squares = load_squares(images, manifest.input_size, manifest.resize)
    truth = label_indices(images, manifest.labels)
    answers = bundle_scores(bundle, runner, squares).argmax(axis=1)
    folders = [image.source for image in images]
    metrics = metrics_of(truth, answers, folders, manifest.labels, manifest.pass_labels)
    agreement = None
    if against is not None:
        agreement = agreement_of(answers, bundle_scores(bundle, against, squares).argmax(axis=1))
    return Evaluation(
        model=manifest.name,
        version=manifest.version,
        variant=runner,
        split=part,
        labels=manifest.labels,
        metrics=metrics,
        interval=wilson_interval(metrics.correct, metrics.of),
        against=against,
        agreement=agreement,
    )


def _first_served(bundle: Bundle) -> Runner:
    servable = bundle.servable()
    if not servable:
        raise ModelError(f"{bundle.folder} has no variant that was found fit to serve; choose --variant keras")
    return servable[0]
