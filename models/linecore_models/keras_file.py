"""Reads and writes .keras files."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import keras

import linecore_models.architecture  # noqa: F401  # registers the layers of its own that a saved model may hold
from linecore.errors import ModelError


def save_keras(model: keras.Model, file: Path) -> None:
    """Write a model as a .keras file, its parts compressed: kernels on int8's grid take half the room.

    Keras itself reads such a file; it only never writes one.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.keras"
        model.save(plain)
        with zipfile.ZipFile(plain) as parts, zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as packed:
            for name in parts.namelist():
                packed.writestr(name, parts.read(name))


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
