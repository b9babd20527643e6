"""From the taught network to the bundle that is served, each of its files measured against the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image
from linecore_models.answers import session_scores
from linecore_models.bundle import sha256_of, write_manifest
from linecore_models.conversion import convert
from linecore_models.evaluation import agreement_of, scores_by_folder
from linecore_models.interpreter import Session, find_runtime
from linecore_models.manifest import Manifest, ModelFile, Parity, Variant, VariantName
from linecore_models.quiet import native_stderr_held

Indices = npt.NDArray[np.int64]

KERAS_FILE = "model.keras"
REPRESENTATIVE_FRAMES = 200
"""Teaching frames that set the ranges of the int8 numbers; more move them little, and each costs a slow run."""

MIN_AGREEMENT = 0.99
"""Of a variant's labels with the Keras model's: below it, the Keras model's figures are not the variant's."""

MAX_RECALL_LOSS = 0.02
"""Of any label: an agreement over all labels could hide that one of them is no longer found."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Frames that did not teach, as the model sees them, to measure a variant on: validation first, then test."""

    squares: Image  # uint8, N x size x size
    truth: Indices
    folders: Sequence[str]  # name of the data folder of each
    tests: npt.NDArray[np.bool_]  # which of them are test frames


def parity_of(
    keras_scores: FloatArray,
    variant_scores: FloatArray,
    truth: Indices,
    labels: Sequence[str],
    *,
    relative_speed: float | None,
) -> Parity:
    """Compare a variant's probabilities (N x labels) with the Keras model's, frame by frame."""
    ours, theirs = variant_scores.argmax(axis=1), keras_scores.argmax(axis=1)
    agreement = agreement_of(ours, theirs)
    change = {
        label: float((ours[truth == index] == index).mean() - (theirs[truth == index] == index).mean())
        for index, label in enumerate(labels)
        if (truth == index).any()
    }
    return Parity(
        top1_agreement=agreement,
        max_probability_change=min(1.0, float(np.abs(variant_scores - keras_scores).max())),
        recall_change=change,
        relative_speed=relative_speed,
        passed=agreement.share >= MIN_AGREEMENT and min(change.values()) >= -MAX_RECALL_LOSS,
    )


def write_bundle(
    folder: Path,
    model: keras.Model,
    manifest: Manifest,
    *,
    variants: Sequence[VariantName],
    with_keras: bool,
    representative: Image,
    held_out: HeldOut,
    keras_scores: FloatArray,
) -> Manifest:
    """Write the model's files and model.json into *folder*; *manifest* lacks only what the files add to it.

    Each variant is measured as it will be served: same preprocessing, same runtime, one frame at a time.
    """
    runtime = find_runtime()
    # float32 is made in any case: speeds are told in relation to it.
    contents = convert(model, dict.fromkeys((*variants, "float32")), representative)
    with native_stderr_held():
        sessions = {
            variant: Session(runtime, folder / _file_name(variant), content, manifest)
            for variant, content in contents.items()
        }
    grey = np.full((manifest.input_size, manifest.input_size, 1), 128, np.float32)
    took = {variant: session.typical_ms(grey) for variant, session in sessions.items()}
    files: dict[VariantName, Variant] = {}
    for variant in variants:
        scores = session_scores(sessions[variant], held_out.squares)
        path = folder / _file_name(variant)
        path.write_bytes(contents[variant])
        answers, tests = scores.argmax(axis=1), held_out.tests
        files[variant] = Variant(
            file=path.name,
            sha256=sha256_of(path),
            bytes=path.stat().st_size,
            parity=parity_of(
                keras_scores,
                scores,
                held_out.truth,
                manifest.labels,
                relative_speed=took["float32"] / took[variant],
            ),
            test=scores_by_folder(
                held_out.truth[tests],
                answers[tests],
                [name for name, test in zip(held_out.folders, tests, strict=True) if test],
                manifest.labels,
                manifest.pass_labels,
            ),
        )
    keras_file = None
    if with_keras:
        path = folder / KERAS_FILE
        model.save(path)
        keras_file = ModelFile(file=path.name, sha256=sha256_of(path), bytes=path.stat().st_size)
    complete = manifest.model_copy(update={"variants": files, "keras": keras_file})
    write_manifest(folder, complete)
    return complete


def _file_name(variant: VariantName) -> str:
    return f"model.{variant}.tflite"
