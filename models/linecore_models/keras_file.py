"""Reads a .keras file."""

from __future__ import annotations

from pathlib import Path

import keras

import linecore_models.architecture  # noqa: F401  # registers the layers of its own that a saved model may hold
from linecore.errors import ModelError


def load_keras(file: Path) -> keras.Model:
    """Return the model in a .keras file; code that the file brings along is not run.

    Raises:
        ModelError: the file is not there, or holds no model that this version of Keras can read.
    """
    if not file.is_file():
        raise ModelError(f"{file} does not exist; name a .keras file")
    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # whatever Keras, zipfile, h5py and json raise: the file is all that its user can change
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{file} cannot be loaded by Keras {keras.__version__} ({reason}); save it again") from error
