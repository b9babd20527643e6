"""From the taught network to the bundle that is served, each of its files measured against the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image
from linecore_models.answers import keras_outputs, session_scores
from linecore_models.bundle import sha256_of
from linecore_models.conversion import convert
from linecore_models.evaluation import agreement_of, scores_by_folder
from linecore_models.interpreter import Session, find_runtime
from linecore_models.keras_file import save_keras
from linecore_models.manifest import (
    Agreement,
    Manifest,
    ModelFile,
    Parity,
    Score,
    Variant,
    VariantName,
)
from linecore_models.pace import typical_ms
from linecore_models.quiet import native_stderr_held

Indices = npt.NDArray[np.int64]

KERAS_FILE = "model.keras"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Frames that did not teach, as the model sees them, to measure a variant on: validation first, then test."""

    squares: Image  # uint8, N x size x size
    truth: Indices
    folders: Sequence[str]  # name of the data folder of each
    tests: npt.NDArray[np.bool_]  # which of them are test frames
    conditions: Mapping[str, Image] = field(default_factory=dict)  # line condition -> the same frames under it


def parity_of(
    keras_scores: FloatArray,
    variant_scores: FloatArray,
    truth: Indices,
    labels: Sequence[str],
    *,
    relative_speed: float | None,
    conditions: Mapping[str, Agreement] | None = None,
) -> Parity:
    """Compare a variant's probabilities (N x labels) with the Keras model's, frame by frame.

    *conditions* are told on and decide nothing: on frames that neither model can read, they need not agree.
    """
    ours, theirs = variant_scores.argmax(axis=1), keras_scores.argmax(axis=1)
    parity = Parity(
        top1_agreement=agreement_of(ours, theirs),
        max_probability_change=min(1.0, float(np.abs(variant_scores - keras_scores).max())),
        recall_change={
            label: float((ours[truth == index] == index).mean() - (theirs[truth == index] == index).mean())
            for index, label in enumerate(labels)
            if (truth == index).any()
        },
        relative_speed=relative_speed,
        conditions=conditions or {},
        passed=True,
    )
    finite = bool(np.isfinite(keras_scores).all() and np.isfinite(variant_scores).all())
    return parity.model_copy(update={"passed": parity.fit and finite})


def write_files(
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
    """Write the model's files into *folder*; return *manifest* with what the files add to it.

    Each variant is measured as it will be served: same preprocessing, same runtime, one frame at a time.
    *representative* (uint8, N x size x size) are teaching frames, with and without line conditions: they set the ranges
    of the int8 numbers. *keras_scores* (N x labels) are the model's own of the held-out squares.
    """
    runtime = find_runtime()
    # float32 is made in any case: speeds are told in relation to it.
    contents = convert(model, dict.fromkeys((*variants, "float32")), representative)
    with native_stderr_held():
        sessions = {
            variant: Session(runtime, folder / file_name(variant), content, manifest)
            for variant, content in contents.items()
        }
    grey = np.full((manifest.input_size, manifest.input_size, 1), 128, np.float32)
    took = typical_ms({variant: partial(session, grey) for variant, session in sessions.items()})
    under_conditions = {
        name: keras_outputs(model, "scores", squares).argmax(axis=1) for name, squares in held_out.conditions.items()
    }
    files: dict[VariantName, Variant] = {}
    for variant in variants:
        scores = session_scores(sessions[variant], held_out.squares)
        parity = parity_of(
            keras_scores,
            scores,
            held_out.truth,
            manifest.labels,
            relative_speed=took["float32"] / took[variant],
            conditions={
                name: agreement_of(session_scores(sessions[variant], squares).argmax(axis=1), under_conditions[name])
                for name, squares in held_out.conditions.items()
            },
        )
        path = folder / file_name(variant)
        path.write_bytes(contents[variant])
        files[variant] = Variant(
            **_described(path), parity=parity, test=_test_scores(scores.argmax(axis=1), held_out, manifest)
        )
    keras_file = None
    if with_keras:
        path, known = folder / KERAS_FILE, manifest.keras
        if known and path.is_file() and sha256_of(path) == known.sha256:
            keras_file = known  # a bundle that is exported in place keeps the one file that cannot be made again
        else:
            save_keras(model, path)
            keras_file = ModelFile(**_described(path))
    return manifest.model_copy(update={"variants": files, "keras": keras_file})


def file_name(variant: VariantName) -> str:
    """Return what a variant's file is called in its bundle."""
    return f"model.{variant}.tflite"


def _test_scores(answers: Indices, held_out: HeldOut, manifest: Manifest) -> dict[str, Score]:
    tests = held_out.tests
    folders = [name for name, test in zip(held_out.folders, tests, strict=True) if test]
    return scores_by_folder(held_out.truth[tests], answers[tests], folders, manifest.labels, manifest.pass_labels)


def _described(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
