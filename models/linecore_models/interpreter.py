"""The TFLite interpreter, whichever package brings it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from linecore.errors import MissingExtraError, ModelError
from linecore.inspection import FloatArray
from linecore_models.manifest import Manifest

PACKAGES = ("ai_edge_litert", "tflite_runtime", "tensorflow")
"""What brings an interpreter, the best first; tflite_runtime is what older Raspberry Pi images have."""

SIGNATURE = "serving_default"


class SignatureRunner(Protocol):
    """A model's function, called with its inputs by name; answers copies of its outputs by name."""

    def __call__(self, *, image: FloatArray) -> Mapping[str, FloatArray]:
        """Run the model once."""

    def get_input_details(self) -> Mapping[str, Mapping[str, npt.NDArray[np.int32]]]:
        """Describe the inputs by name, their "shape" among it."""

    def get_output_details(self) -> Mapping[str, Mapping[str, npt.NDArray[np.int32]]]:
        """Describe the outputs by name, their "shape" among it."""


class Interpreter(Protocol):
    """What all three packages agree on."""

    def allocate_tensors(self) -> None:
        """Make room; before the first run."""

    def get_signature_runner(self, signature_key: str) -> SignatureRunner:
        """Return a function of the model."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """An installed package that brings the interpreter."""

    package: str
    make: Callable[..., Interpreter]


def find_runtime() -> Runtime:
    """Import the best interpreter that is installed.

    Raises:
        MissingExtraError: none is.
    """
    for package in PACKAGES:
        try:
            if package == "tensorflow":
                return Runtime(package, importlib.import_module(package).lite.Interpreter)
            return Runtime(package, importlib.import_module(f"{package}.interpreter").Interpreter)
        except ImportError:  # absent, or built for another system
            continue
    raise MissingExtraError("running TFLite models needs ai-edge-litert: pip install ai-edge-litert")


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the model says of one frame; float32 arrays that nobody else holds."""

    scores: FloatArray  # labels: probabilities, as the model gives them
    class_maps: FloatArray  # h x w x labels: what spoke for each label, and where
    embedding: FloatArray  # features: what the frame looks like to the model


OUTPUTS = tuple(Answer.__slots__)


class Session:
    """A loaded model in one single-threaded interpreter; for one thread.

    Raises:
        ModelError: the *content* of *file* is no TFLite model, or not the one that *manifest* speaks of.
    """

    def __init__(self, runtime: Runtime, file: Path, content: bytes, manifest: Manifest) -> None:
        self._content = content  # the interpreter reads the weights from here, and holds no reference of its own
        try:
            interpreter = runtime.make(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            self._run = interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ModelError(f"{file} cannot be loaded by {runtime.package} ({reason}); export it again") from None
        self._check(file, manifest)
        self.features = int(self._run.get_output_details()["embedding"]["shape"][-1])  # numbers in an embedding

    def __call__(self, image: FloatArray) -> Answer:
        """Return what the model says of one frame (float32, size x size x 1, grey, 0..255)."""
        outputs = self._run(image=image[np.newaxis])
        return Answer(outputs["scores"][0], outputs["class_maps"][0], outputs["embedding"][0])

    def _check(self, file: Path, manifest: Manifest) -> None:
        """Refuse what would answer with the wrong labels, or not at all."""
        size, labels = manifest.input_size, len(manifest.labels)
        inputs = {name: tuple(entry["shape"].tolist()) for name, entry in self._run.get_input_details().items()}
        outputs = {name: tuple(entry["shape"].tolist()) for name, entry in self._run.get_output_details().items()}
        if inputs != {"image": (1, size, size, 1)}:
            raise ModelError(f"{file} takes {inputs}, model.json says 'image' of (1, {size}, {size}, 1)")
        for name in OUTPUTS:
            if name not in outputs:
                raise ModelError(f"{file} has no output {name!r}, only {', '.join(outputs)}; export it again")
            if name != "embedding" and outputs[name][-1] != labels:
                raise ModelError(f"{file} tells {outputs[name][-1]} labels apart, model.json names {labels}")
