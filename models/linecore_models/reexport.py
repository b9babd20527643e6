"""The TFLite files of a bundle, made and measured again from its Keras model and its data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from linecore_models.answers import keras_outputs
from linecore_models.bundle import Bundle, write_manifest
from linecore_models.card import Card
from linecore_models.dataset import LabelledImage, label_indices, load_squares
from linecore_models.division import Division
from linecore_models.export import HeldOut, write_files
from linecore_models.good_steel import with_good_steel
from linecore_models.keras_file import load_keras
from linecore_models.manifest import Manifest, VariantName
from linecore_models.parts import of_part
from linecore_models.representative import frames_under_conditions, representative_frames
from linecore_models.trust import with_trust


def export_again(
    bundle: Bundle,
    images: Sequence[LabelledImage],
    out: Path,
    *,
    variants: Sequence[VariantName],
    with_keras: bool,
    card: Card | None = None,
    unknown: Sequence[LabelledImage] = (),
) -> Manifest:
    """Write the bundle into the folder *out*, its own or another that is there, with new TFLite files.

    *images* are those that it was trained on, with their boxes if it had some: its training frames set the ranges of
    the int8 numbers, its validation and test frames measure parity, and validation frames how far to trust it.
    Novelty learns *unknown*, images of other surfaces. A *card* takes the place of what the old one said. All else in
    model.json stays.

    Raises:
        ModelError: the bundle has no Keras model, or one that is damaged.
        ConfigError: the images are not those, or cannot be read.
    """
    manifest = _carded(bundle.manifest, card) if card else bundle.manifest
    model = load_keras(bundle.verified_keras())
    division = _division(images, manifest)
    held = (*division.validation, *division.test)
    squares = load_squares(held, manifest.preprocessing)
    held_out = HeldOut(
        squares,
        label_indices(held, manifest.labels),
        [image.source for image in held],
        np.arange(len(held)) >= len(division.validation),
        frames_under_conditions(held, manifest, manifest.split.seed),
    )
    measured = write_files(
        out,
        model,
        manifest,
        variants=variants,
        with_keras=with_keras,
        representative=representative_frames(division.train, manifest.preprocessing, manifest.split.seed),
        held_out=held_out,
        keras_scores=keras_outputs(model, "scores", squares),
    )
    complete = with_trust(out, measured, division, unknown)
    write_manifest(out, complete)
    for name, old in manifest.variants.items():
        if name not in variants and out.resolve() == bundle.folder.resolve():
            (out / old.file).unlink(missing_ok=True)
    return complete


def _carded(manifest: Manifest, card: Card) -> Manifest:
    data = manifest.data.model_copy(update={"sources": card.sources or manifest.data.sources})
    return manifest.model_copy(update={"licence": card.licence, "limits": card.limits, "data": data})


def _division(images: Sequence[LabelledImage], manifest: Manifest) -> Division:
    """Return which images taught, chose and judged, with the good steel that was mined from them."""
    held = {name for names in manifest.split.files.values() for name in names}
    train, validation, test = (of_part(part, images, manifest) for part in ("train", "validation", "test"))
    division = Division(train, validation, test)
    if not any("#" in name for name in held) or not manifest.pass_labels:
        return division
    mined = with_good_steel(division, manifest.pass_labels[0], manifest.data.spread)
    return Division(
        mined.train,
        tuple(image for image in mined.validation if image.name in held),
        tuple(image for image in mined.test if image.name in held),
    )
