"""Classifies with the TFLite model of a bundle."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from linecore.errors import ModelError
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Frame, ModelId
from linecore_models.bundle import Bundle, find_bundle, load_bundle
from linecore_models.classification import classification
from linecore_models.interpreter import Runtime, Session, find_runtime
from linecore_models.manifest import Manifest, VariantName
from linecore_models.novelty import Novelty
from linecore_models.pace import typical_ms

if TYPE_CHECKING:
    from linecore.line import Line

logger = logging.getLogger(__name__)


class TfliteClassifier:
    """Classifies with a TFLite model.

    Each worker has a single-threaded interpreter: together they use every core, and none waits for another.
    """

    class Config(BaseModel):
        """Options of the table in line.toml."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        model: str = Field(description="a bundled model, or the folder of your own")
        variant: Literal["auto", "int8", "float16", "float32"] = Field(
            "auto", description="which of the model's files; auto: the one that is fastest on this machine"
        )

    def __init__(self, config: Config) -> None:
        self.labels: tuple[str, ...] = ()  # what the model can answer; known when it is loaded
        self.measures_novelty = False
        self._config = config
        self._threads = local()
        self._loaded: _Loaded
        self._novelty: Novelty | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Load the model, and choose its variant where that is left to this machine."""
        runtime = find_runtime()
        try:
            bundle = load_bundle(find_bundle(self._config.model, line.folder))
            variant = _fastest(bundle, runtime) if self._config.variant == "auto" else self._config.variant
            self._loaded = _Loaded.from_bundle(bundle, variant, runtime)
            self._preprocessing = bundle.manifest.preprocessing
            self._threads.session = session = self._loaded.session()
            self._novelty = bundle.novelty()
            if self._novelty is not None:
                self._novelty.require(session.features)
        except ModelError as error:
            raise ModelError(f"plugins.{line.plugin_name(self)}.model: {error}") from None
        self.labels = bundle.manifest.labels
        self.measures_novelty = self._novelty is not None
        logger.info("%s on %s", self._loaded.file, runtime.package)

    @property
    def variant(self) -> VariantName:
        """Which of the model's files runs."""
        return self._loaded.variant

    @property
    def runtime(self) -> str:
        """The package whose interpreter runs it."""
        return self._loaded.runtime.package

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        """Say what is on the frame."""
        manifest = self._loaded.manifest
        square = self._preprocessing(frame.image)
        answer = self._session()(square)
        novelty = self._novelty.of_frame(answer.embedding, square) if self._novelty else None
        return classification(answer.scores, answer.class_maps, manifest, self._loaded.model, novelty=novelty)

    def _session(self) -> Session:
        """Return this thread's interpreter, made when the thread first asks, which takes some 10 ms."""
        session: Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = self._loaded.session()
        return session


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A variant that was found whole, held in memory: what becomes of its file while the line runs is no matter."""

    manifest: Manifest
    variant: VariantName
    file: Path
    content: bytes
    runtime: Runtime

    @classmethod
    def from_bundle(cls, bundle: Bundle, variant: VariantName, runtime: Runtime) -> Self:
        file = bundle.verified(variant)
        return cls(bundle.manifest, variant, file, file.read_bytes(), runtime)

    @property
    def model(self) -> ModelId:
        return ModelId(self.manifest.name, self.manifest.version, self.manifest.variants[self.variant].sha256)

    def session(self) -> Session:
        return Session(self.runtime, self.file, self.content, self.manifest)


def _fastest(bundle: Bundle, runtime: Runtime) -> VariantName:
    """Return the variant that takes the least time here, among those that may be served."""
    servable = bundle.servable()
    if not servable:
        raise ModelError(f"{bundle.folder} has no variant that was found fit to serve; export the model again")
    if len(servable) == 1:
        return servable[0]
    image = np.zeros((bundle.manifest.input_size, bundle.manifest.input_size, 1), np.float32)
    sessions = {name: _Loaded.from_bundle(bundle, name, runtime).session() for name in servable}
    took = typical_ms({name: partial(session, image) for name, session in sessions.items()})
    logger.info("milliseconds for a frame: %s", ", ".join(f"{name} {ms:.2f}" for name, ms in took.items()))
    return min(took, key=lambda name: took[name])
