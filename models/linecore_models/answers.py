"""What a model answers to many images: the same road for every variant, and the one that serving takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from linecore.inspection import FloatArray, Image
from linecore_models.bundle import Bundle
from linecore_models.classification import tempered
from linecore_models.interpreter import Session, find_runtime
from linecore_models.manifest import VariantName
from linecore_models.quiet import load_tensorflow, native_stderr_held

if TYPE_CHECKING:
    import keras

Runner = VariantName | Literal["keras"]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one runner says of N images; float32."""

    scores: FloatArray  # N x labels: probabilities, tempered as they are served
    class_maps: FloatArray  # N x h x w x labels: mean plus bias is the logit, untempered
    embedding: FloatArray  # N x features

    def __len__(self) -> int:
        return len(self.scores)

    def joined(self, other: Answers) -> Answers:
        """Return what is said of these images and then of those."""
        return Answers(
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.class_maps, other.class_maps]),
            np.concatenate([self.embedding, other.embedding]),
        )


Ask = Callable[[Image], Answers]
"""Answers the images that it is given: uint8, N x size x size, preprocessed."""


def bundle_answers(bundle: Bundle, runner: Runner, squares: Image) -> Answers:
    """Return what a bundle's model says of preprocessed images (uint8, N x size x size).

    Raises:
        ModelError: the bundle does not hold that model, or it is damaged or was found unfit.
        MissingExtraError: Keras is asked for and not installed.
    """
    return open_runner(bundle, runner)(squares)


def open_runner(bundle: Bundle, runner: Runner, threads: int | None = None) -> Ask:
    """Load a bundle's model once, to ask it often; for one thread.

    A TFLite model runs frame by frame, as on a line, in *threads* sessions side by side (None: one a processor). Raises
    as :func:`bundle_answers`.
    """
    temperature = bundle.manifest.temperature
    if runner == "keras":
        path = bundle.verified_keras()
        load_tensorflow("evaluating a Keras model")
        from linecore_models.keras_file import load_keras

        model = load_keras(path)
        return lambda squares: _keras_answers(model, squares, temperature)
    file = bundle.verified(runner)
    content, runtime = file.read_bytes(), find_runtime()
    with native_stderr_held():
        count = threads or os.cpu_count() or 1
        sessions = [Session(runtime, file, content, bundle.manifest) for _ in range(count)]
    return lambda squares: _tflite_answers(sessions, squares, temperature)


def session_scores(session: Session, squares: Image) -> FloatArray:
    """Return a TFLite model's probabilities (N x labels), untempered, frame by frame as a line asks for them."""
    return _session_outputs(session, squares)[0]


def keras_outputs(model: keras.Model, output: str, squares: Image, batch_size: int = 32) -> FloatArray:
    """Return one of a Keras model's outputs, by name: "scores" are its probabilities, untempered."""
    batches = (squares[start : start + batch_size] for start in range(0, len(squares), batch_size))
    answers = [model(batch[..., np.newaxis].astype(np.float32), training=False)[output].numpy() for batch in batches]
    outputs: FloatArray = np.concatenate(answers)
    return outputs


def _keras_answers(model: keras.Model, squares: Image, temperature: float) -> Answers:
    scores, class_maps, embedding = (
        keras_outputs(model, name, squares) for name in ("scores", "class_maps", "embedding")
    )
    return Answers(tempered(scores, temperature), class_maps, embedding)


def _tflite_answers(sessions: Sequence[Session], squares: Image, temperature: float) -> Answers:
    """Share the images out among the sessions; the interpreter runs outside Python's lock."""
    shares = [share for share in np.array_split(squares, len(sessions)) if len(share)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        parts = list(pool.map(_session_outputs, sessions, shares))
    scores, class_maps, embedding = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
    return Answers(tempered(scores, temperature), class_maps, embedding)


def _session_outputs(session: Session, squares: Image) -> tuple[FloatArray, FloatArray, FloatArray]:
    answers = [session(square[..., np.newaxis].astype(np.float32)) for square in squares]
    return (
        np.stack([answer.scores for answer in answers]),
        np.stack([answer.class_maps for answer in answers]),
        np.stack([answer.embedding for answer in answers]),
    )
