"""How unlike everything that a model was made from a frame looks: a distance in its embedding, told as a quantile.

The distance is the Mahalanobis distance to the nearest label's mean, in the covariance that all labels share (Lee et
al. 2018, https://arxiv.org/abs/1807.03888), between embeddings of length 1 (Mueller and Hein 2025,
https://arxiv.org/abs/2505.18032): how strong the textures of a frame are says how it is lit, not what it is.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from linecore.errors import ModelError
from linecore.inspection import FloatArray

Distances = npt.NDArray[np.float64]

LEVELS: Distances = np.concatenate(
    [np.arange(99) / 100, np.arange(990, 999) / 1000, np.arange(9990, 10_000) / 10_000, [1.0]]
)
"""Shares of the known frames whose distances are kept: finer where limits are set."""


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """Tells how novel a frame is; light enough to run beside every frame."""

    axes: FloatArray  # features x r: on each, frames of one label vary alike
    centres: FloatArray  # labels x r: the labels' means on the axes
    knots: Distances  # rising: the distances of known frames at LEVELS

    def distances(self, embeddings: FloatArray) -> Distances:
        """Return how far frames are from what is known: N, from their embeddings (float32, N x features)."""
        on_axes = of_length_one(embeddings) @ self.axes
        squares = np.square(on_axes[:, np.newaxis] - self.centres).sum(axis=2, dtype=np.float64)
        distances: Distances = np.sqrt(squares.min(axis=1))
        return distances

    def __call__(self, embeddings: FloatArray) -> Distances:
        """Return the share of known frames that are less novel: N of 0..1, from embeddings (float32, N x features).

        1.0 is more novel than any known frame. What is no number stays none.
        """
        quantiles: Distances = np.interp(self.distances(embeddings), self.knots, LEVELS)
        return quantiles

    def of_frame(self, embedding: FloatArray) -> float:
        """Return the same of one frame, from its embedding (float32, features)."""
        return float(self(embedding[np.newaxis])[0])

    def require(self, features: int) -> None:
        """Check that embeddings of this many numbers can be judged; ModelError where they cannot."""
        if len(self.axes) != features:
            raise ModelError(
                f"its novelty statistics are of {len(self.axes)} features, its embedding has {features}; "
                "export the model again"
            )

    def write(self, path: Path) -> None:
        """Write it to the file *path*; the axes must be as float16 has them, or what is read differs a little."""
        np.savez(
            path,
            axes=self.axes.astype(np.float16),
            centres=self.centres,
            knots=self.knots,
            allow_pickle=False,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` has written; ModelError where the file is something else."""
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                axes, centres = (arrays[name].astype(np.float32) for name in ("axes", "centres"))
                knots = arrays["knots"].astype(np.float64)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{path} holds no novelty statistics ({reason}); export the model again") from None
        if centres.ndim != 2 or axes.shape[1:] != centres.shape[1:] or knots.shape != LEVELS.shape:
            raise ModelError(f"{path} holds novelty statistics of another make; export the model again")
        return cls(axes, centres, knots)


def of_length_one(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return embeddings (N x features), each scaled to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    scaled: npt.NDArray[np.floating] = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled
