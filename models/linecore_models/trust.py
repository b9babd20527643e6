"""How far to trust a new bundle: its temperature, its thresholds, what is novel to it, and where its regions end.

All of it is measured on frames that did not teach, as they are and under line conditions, through the very file that
will be served: int8 has another embedding than Keras, and another doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from linecore_models.answers import Ask, Runner, open_runner
from linecore_models.boxes import label_mask
from linecore_models.bundle import Bundle
from linecore_models.calibration import fit_temperature
from linecore_models.classification import tempered
from linecore_models.dataset import LabelledImage, load_image, load_squares
from linecore_models.division import Division
from linecore_models.localisation import choose_threshold
from linecore_models.manifest import Manifest
from linecore_models.novelty import Looks
from linecore_models.novelty_learning import Served, learn_novelty, look_at
from linecore_models.stress import looks
from linecore_models.thresholds import Costs, choose_thresholds

MAX_NOVELTY = 0.998
"""Quantile of the known frames beyond which a person is asked: two of a thousand frames that are none of it."""


def with_trust(folder: Path, manifest: Manifest, division: Division, unknown: Sequence[LabelledImage] = ()) -> Manifest:
    """Return *manifest*, which lies in *folder* beside its files, with how far to trust it; writes what novelty needs.

    *division* is what the model was made from, good steel included; *unknown* are pictures of other surfaces, which
    novelty learns beside drawn ones. Without a file that may be served there is nothing to trust, and the manifest
    stays as it is.

    Raises:
        ConfigError: an image cannot be read.
    """
    untempered = manifest.model_copy(update={"temperature": 1.0})
    runner = _served(Bundle(folder, untempered))
    if runner is None:
        return manifest
    ask = open_runner(Bundle(folder, untempered), runner)
    seed = manifest.split.seed
    full = in_full(division.validation, manifest.data.weights)
    squares, truth = looks(full, manifest, seed)
    answers = ask(squares)
    temperature = fit_temperature(answers.scores, truth)
    thresholds = None
    if manifest.pass_labels:
        sure = tempered(answers.scores, temperature)
        thresholds = choose_thresholds(sure, truth, manifest.labels, manifest.pass_labels, Costs())

    known, speaking = Looks.of(answers.embedding, squares), set(full)
    if helping := [image for image in division.validation if image not in speaking]:
        known = known.joined(look_at(ask, looks(helping, manifest, seed)[0]))
    novelty = learn_novelty(folder, manifest, division, known, unknown, Served(ask, runner))
    return manifest.model_copy(
        update={
            "temperature": temperature,
            "min_confidence": thresholds.chosen.min_confidence if thresholds else None,
            "novelty": novelty,
            "max_novelty": MAX_NOVELTY,
            "region_threshold": _region_threshold(division.validation, ask, manifest),
        }
    )


def _served(bundle: Bundle) -> Runner | None:
    """Return the file that a line would take first; that of Keras where no other may be served."""
    servable = bundle.servable()
    if servable:
        return servable[0]
    return "keras" if bundle.manifest.keras else None


def in_full(images: Sequence[LabelledImage], folder_weights: Mapping[str, float]) -> list[LabelledImage]:
    """Return the images of the data folders that counted most: what helps out says nothing of how sure to be.

    All of them where those folders lack a label that others have: without good frames escapes would cost nothing.
    """
    weights = {image.source: folder_weights.get(image.source, 1.0) for image in images}
    most = max(weights.values(), default=1.0)
    full = [image for image in images if weights[image.source] == most]
    return full if {image.label for image in full} == {image.label for image in images} else list(images)


def _region_threshold(images: Sequence[LabelledImage], ask: Ask, manifest: Manifest) -> float | None:
    """Return from which heat on a pixel belongs to a defect; None where nobody told where the defects lie."""
    boxed = [image for image in images if any(box.label == image.label for box in image.boxes or ())]
    if not boxed:
        return None
    maps = ask(load_squares(boxed, manifest.preprocessing)).class_maps
    places = {label: place for place, label in enumerate(manifest.labels)}
    truths = [
        label_mask(image.boxes or (), image.label, *load_image(replace(image, window=None)).shape) for image in boxed
    ]
    chosen = choose_threshold(
        [of_image[..., places[image.label]] for of_image, image in zip(maps, boxed, strict=True)],
        truths,
        # A label of one data folder is another than that of another: drawn steel must not outvote real steel.
        [f"{image.source}/{image.label}" for image in boxed],
    )
    return chosen.share
