"""Classifies with the Keras model of a bundle: for comparing with what its TFLite files say, not for speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from linecore.errors import ModelError
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, FloatArray, Frame, ModelId
from linecore_models.bundle import find_bundle, load_bundle
from linecore_models.classification import classification
from linecore_models.manifest import Manifest
from linecore_models.novelty import Novelty

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from linecore.line import Line


class KerasClassifier:
    """Classifies with the Keras model of a bundle, to compare with what its TFLite files say.

    One model serves all workers: TensorFlow runs a traced function from several threads at once.
    """

    class Config(BaseModel):
        """Options of the table in line.toml."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        model: str = Field(description="a bundled model, or the folder of your own; with its model.keras")

    def __init__(self, config: Config) -> None:
        self.labels: tuple[str, ...] = ()  # what the model can answer; known when it is loaded
        self.measures_novelty = False
        self.model: keras.Model
        self._config = config
        self._manifest: Manifest
        self._id: ModelId
        self._novelty: Novelty | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Load the model and run it once, so that the first frame need not wait for the tracing."""
        # TensorFlow takes seconds to import, and to list or check plugins nobody needs it.
        import tensorflow as tf

        from linecore_models.keras_file import load_keras

        try:
            bundle = load_bundle(find_bundle(self._config.model, line.folder))
            file = bundle.verified_keras()
            self.model = load_keras(file)
            self._manifest = bundle.manifest
            self._preprocessing = bundle.manifest.preprocessing
            size = self._manifest.input_size
            self._answer = tf.function(self._traced, input_signature=[tf.TensorSpec((1, size, size, 1), tf.float32)])
            scores, _, embedding = self._run(np.zeros((size, size, 1), np.float32))
            if len(scores) != len(self._manifest.labels):
                labels = len(self._manifest.labels)
                raise ModelError(f"{file} tells {len(scores)} labels apart, model.json names {labels}")
            self._novelty = bundle.novelty()
            if self._novelty is not None:
                self._novelty.require(len(embedding))
        except ModelError as error:
            raise ModelError(f"plugins.{line.plugin_name(self)}.model: {error}") from None
        assert self._manifest.keras is not None
        self._id = ModelId(self._manifest.name, self._manifest.version, self._manifest.keras.sha256)
        self.labels = self._manifest.labels
        self.measures_novelty = self._novelty is not None

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        """Say what is on the frame."""
        square = self._preprocessing(frame.image)
        scores, class_maps, embedding = self._run(square)
        novelty = self._novelty.of_frame(embedding, square) if self._novelty else None
        return classification(scores, class_maps, self._manifest, self._id, novelty=novelty)

    def _run(self, image: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        outputs = self._answer(image[np.newaxis])
        scores, class_maps, embedding = (outputs[name].numpy()[0] for name in ("scores", "class_maps", "embedding"))
        return scores, class_maps, embedding

    def _traced(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = self.model(batch, training=False)
        return outputs
