"""What a model answers to many images: the same road for every variant, and the one that serving takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from linecore.inspection import FloatArray, Image
from linecore_models.bundle import Bundle
from linecore_models.interpreter import Session, find_runtime
from linecore_models.manifest import VariantName
from linecore_models.quiet import load_tensorflow, native_stderr_held

if TYPE_CHECKING:
    import keras

Runner = VariantName | Literal["keras"]


def bundle_scores(bundle: Bundle, runner: Runner, squares: Image) -> FloatArray:
    """Return the probabilities (float32, N x labels) that a bundle's model gives preprocessed images.

    *squares* are uint8, N x size x size.

    Raises:
        ModelError: the bundle does not hold that model, or it is damaged or was found unfit.
        MissingExtraError: Keras is asked for and not installed.
    """
    if runner != "keras":
        file = bundle.verified(runner)
        with native_stderr_held():
            session = Session(find_runtime(), file, file.read_bytes(), bundle.manifest)
        return session_scores(session, squares)
    path = bundle.verified_keras()
    load_tensorflow("evaluating a Keras model")
    from linecore_models.keras_file import load_keras

    return keras_outputs(load_keras(path), "scores", squares)


def session_scores(session: Session, squares: Image) -> FloatArray:
    """Return a TFLite model's probabilities, frame by frame as a line asks for them."""
    return np.stack([session(square[..., np.newaxis].astype(np.float32))[0] for square in squares])


def keras_outputs(model: keras.Model, output: str, squares: Image, batch_size: int = 32) -> FloatArray:
    """Return one of a Keras model's outputs, by name: "scores" are its probabilities."""
    batches = (squares[start : start + batch_size] for start in range(0, len(squares), batch_size))
    answers = [model(batch[..., np.newaxis].astype(np.float32), training=False)[output].numpy() for batch in batches]
    outputs: FloatArray = np.concatenate(answers)
    return outputs
