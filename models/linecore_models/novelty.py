"""How unlike everything that a model was made from a frame looks: a distance in its embedding, told as a quantile.

The distance is the Mahalanobis distance to the nearest label's mean, in the covariance that all labels share (Lee et
al. 2018, https://arxiv.org/abs/1807.03888), between embeddings of length 1 (Mueller and Hein 2025,
https://arxiv.org/abs/2505.18032): how strong the textures of a frame are says how it is lit, not what it is.

An embedding has learnt to overlook noise, and so finds steel in nothing but noise: a covered lens, a dark camera. So
what each band of a frame's spectrum holds is compared as well, and where it is far from all that is known, it decides.
And what lies the way to other surfaces, of which some were shown, is further away than the distance alone says.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from linecore.errors import ModelError
from linecore.inspection import FloatArray, Image
from linecore_models.spectrum import BANDS, DEGREE, spectra

Distances = npt.NDArray[np.float64]

LEVELS: Distances = np.concatenate(
    [np.arange(99) / 100, np.arange(990, 999) / 1000, np.arange(9990, 10_000) / 10_000, [1.0]]
)
"""Shares of the known frames whose distances are kept: finer where limits are set."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What tells how novel N frames are."""

    embedding: FloatArray  # N x features
    bands: FloatArray  # N x BANDS

    @classmethod
    def of(cls, embedding: FloatArray, squares: Iterable[Image | FloatArray]) -> Self:
        """Put together a model's *embedding* (float32, N x features) of N preprocessed *squares*, and these."""
        return cls(embedding, spectra(squares))

    def __len__(self) -> int:
        return len(self.embedding)

    def joined(self, other: Looks) -> Looks:
        """Return these frames and then those."""
        return Looks(np.concatenate([self.embedding, other.embedding]), np.concatenate([self.bands, other.bands]))


@dataclass(frozen=True, slots=True, eq=False)
class Centres:
    """Where the labels lie among some features, and how far what lies there varies."""

    axes: npt.NDArray[np.floating]  # features x r: on each, frames of one label vary alike
    means: npt.NDArray[np.floating]  # labels x r: the labels' means on the axes

    def distances(self, features: npt.NDArray[np.floating]) -> Distances:
        """Return how far frames (N x features) are from the nearest label: N."""
        on_axes = features @ self.axes
        squares = np.square(on_axes[:, np.newaxis] - self.means).sum(axis=2, dtype=np.float64)
        distances: Distances = np.sqrt(squares.min(axis=1))
        return distances


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Tells frames whose spectrum is none that a known frame has: nothing but noise, nothing but a shadow."""

    centres: Centres  # of the bands of a spectrum
    border: float  # a distance that hardly a known frame reaches

    def beyond(self, bands: FloatArray) -> Distances:
        """Return how far frames are, in the unit of the embedding's distances, or 0 within the border: N."""
        distances = self.centres.distances(bands)
        return np.where(distances <= self.border, 0.0, distances)


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """Moves frames further away, the more their embedding looks like other surfaces that were shown."""

    way: FloatArray  # features: to where embeddings of other surfaces lie
    least: float  # how far that way known frames lie that look like them least

    def factors(self, embedding: npt.NDArray[np.floating]) -> Distances:
        """Return what distances of frames (N x features, length 1) are multiplied by: N, never below 1."""
        factors: Distances = np.exp(np.maximum(0, (embedding @ self.way).astype(np.float64) - self.least))
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """Tells how novel a frame is; light enough to run beside every frame."""

    centres: Centres  # of embeddings of length 1
    knots: Distances  # rising: the distances of known frames at LEVELS
    spectrum: Spectrum | None = None  # None in bundles from before there was one
    elsewhere: Elsewhere | None = None  # None where no other surfaces were shown

    def distances(self, looks: Looks) -> Distances:
        """Return how far frames are from what is known: N."""
        embedding = of_length_one(looks.embedding)
        distances = self.centres.distances(embedding)
        if self.spectrum is not None:
            distances = np.maximum(distances, self.spectrum.beyond(looks.bands))
        return distances if self.elsewhere is None else distances * self.elsewhere.factors(embedding)

    def __call__(self, looks: Looks) -> Distances:
        """Return the share of known frames that are less novel: N of 0..1.

        1.0 is more novel than any known frame. What is no number stays none.
        """
        quantiles: Distances = np.interp(self.distances(looks), self.knots, LEVELS)
        return quantiles

    def of_frame(self, embedding: FloatArray, square: FloatArray) -> float:
        """Return the same of one frame, from its embedding (float32, features) and its preprocessed pixels."""
        bands = np.zeros((1, BANDS), np.float32) if self.spectrum is None else spectra([square])
        return float(self(Looks(embedding[np.newaxis], bands))[0])

    def require(self, features: int) -> None:
        """Check that embeddings of this many numbers can be judged; ModelError where they cannot."""
        if len(self.centres.axes) != features:
            raise ModelError(
                f"its novelty statistics are of {len(self.centres.axes)} features, its embedding has {features}; "
                "export the model again"
            )

    def write(self, path: Path) -> None:
        """Write it to the file *path*; the axes must be as float16 has them, or what is read differs a little."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "axes": self.centres.axes.astype(np.float16),
            "centres": self.centres.means,
            "knots": self.knots,
        }
        if self.spectrum is not None:
            arrays |= {
                "band_axes": self.spectrum.centres.axes,
                "band_centres": self.spectrum.centres.means,
                "band_border": np.array(self.spectrum.border),
                "band_degree": np.array(DEGREE),
            }
        if self.elsewhere is not None:
            arrays |= {"elsewhere": self.elsewhere.way, "elsewhere_least": np.array(self.elsewhere.least)}
        np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` has written; ModelError where the file is something else."""
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                centres = _centres(arrays, "axes", "centres")
                knots = arrays["knots"].astype(np.float64)
                elsewhere, spectrum, alike = None, None, True
                if "elsewhere" in arrays:
                    elsewhere = Elsewhere(arrays["elsewhere"].astype(np.float32), float(arrays["elsewhere_least"]))
                if "band_axes" in arrays:
                    bands = _centres(arrays, "band_axes", "band_centres")
                    spectrum = Spectrum(bands, float(arrays["band_border"]))
                    # Light by a polynomial of another degree is another number: nothing could be compared with it.
                    alike = "band_degree" in arrays and int(arrays["band_degree"]) == DEGREE
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{path} holds no novelty statistics ({reason}); export the model again") from None
        fitting = [_fit(centres), knots.shape == LEVELS.shape, alike]
        if spectrum is not None:
            fitting += [_fit(spectrum.centres), len(spectrum.centres.axes) == BANDS]
        if elsewhere is not None:
            numbers = np.append(elsewhere.way, elsewhere.least)
            fitting += [elsewhere.way.shape == centres.axes.shape[:1], bool(np.isfinite(numbers).all())]
        if not all(fitting):
            raise ModelError(f"{path} holds novelty statistics of another make; export the model again")
        return cls(centres, knots, spectrum, elsewhere)


def _centres(arrays: Mapping[str, npt.NDArray[np.generic]], axes: str, means: str) -> Centres:
    return Centres(*(arrays[name].astype(np.float32) for name in (axes, means)))


def _fit(centres: Centres) -> bool:
    return centres.means.ndim == 2 and centres.axes.shape[1:] == centres.means.shape[1:]


def of_length_one(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return embeddings (N x features), each scaled to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    scaled: npt.NDArray[np.floating] = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled
