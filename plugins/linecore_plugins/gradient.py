"""Class maps from the gradients of a Keras model; loads TensorFlow, so import it only where they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from linecore.errors import ModelError
from linecore.inspection import Classification, FloatArray, Image
from linecore_models.bundle import MANIFEST, Bundle, find_bundle, load_bundle
from linecore_models.gradcam import GradCam
from linecore_models.keras_file import load_keras
from linecore_models.manifest import Manifest
from linecore_models.preprocessing import Preprocessing


class GradientMaps:
    """Looks into a Keras model, on behalf of a classifier that gives no class maps or to compare with those it gives.

    *model* is a bundled model, the folder of one's own, or a .keras file of another network: one that takes squares in
    0..255, of one grey channel or three alike, and answers the classifier's labels in the same order.

    Raises:
        ModelError: the model or its *layer* cannot be used.
    """

    def __init__(self, model: str, layer: str | None, folder: Path) -> None:
        self._serves: tuple[str, str] | None = None  # name and version of the one model that it can speak for
        bundle: Bundle | None = None
        if model.endswith(".keras"):
            file = folder / Path(model).expanduser()
        else:
            bundle = load_bundle(find_bundle(model, folder))
            file = bundle.verified_keras()
            self._serves = bundle.manifest.name, bundle.manifest.version
        self._file = file
        self._cam = GradCam(load_keras(file), layer)
        height, width, channels = self._cam.input_shape
        if height is None or height != width or channels not in (1, 3):
            raise ModelError(f"{file} takes {height} x {width} x {channels}; it must take squares of 1 or 3 channels")
        manifest = bundle.manifest if bundle else _manifest_beside(file)
        # Of a file alone, nobody says how its frames were made small; the camera's own scaler is the best guess.
        self._preprocessing = manifest.preprocessing if manifest else Preprocessing(height, "linear")
        self._channels = channels

    def class_map(self, image: Image, classification: Classification) -> FloatArray:
        """Return where *image* speaks for the classification's label: float32 h x w, not yet rectified.

        Raises:
            ModelError: the classification is of another model.
        """
        model, labels = classification.model, list(classification.scores)
        if self._serves not in (None, (model.name, model.version)):
            raise ModelError(f"{self._file} cannot explain what {model.name} {model.version} says")
        if self._cam.labels != len(labels):
            raise ModelError(f"{self._file} tells {self._cam.labels} labels apart, {model.name} {len(labels)}")
        batch = np.repeat(self._preprocessing(image)[np.newaxis], self._channels, axis=-1)
        return self._cam.class_map(batch, labels.index(classification.label))


def _manifest_beside(file: Path) -> Manifest | None:
    """Return what says how the frames of a bundle's own Keras file are seen; None for a file of no bundle."""
    if not (file.parent / MANIFEST).is_file():
        return None
    manifest = load_bundle(file.parent).manifest
    return manifest if manifest.keras and manifest.keras.file == file.name else None
