"""What is wrong with the images before anything is learnt from them: unreadable, twice there, or on both sides.

Two crops of the same steel that overlap show nearly the same picture. Where one teaches and the other judges, the
figures flatter. They are found by the largest circular cross-correlation of two reduced images over all shifts
(Kuglin and Hines 1975, without their whitening), after light and straight lines have been taken out. A similarity of
0.6 means that about 60 % of the picture is shared. Found are shifted, brightened and recompressed copies; not found are
mirrored, turned and rescaled ones, and overlaps of less than about half.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt

from linecore.errors import ConfigError
from linecore.inspection import FloatArray, Image
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.division import Division, parts_of
from linecore_models.manifest import PartName

Spectra = npt.NDArray[np.complex64]

NEAR = 0.6
"""Similarity from which two images are near-duplicates."""

COARSE_SIDE, COARSE_BLUR, COARSE_NEAR = 32, 2.0, 0.35
"""A first look at all pairs, five times as fast as the second; far below `NEAR`, so that hardly a pair is missed."""

FINE_SIDE, FINE_BLUR = 64, 3.0
"""The second look, at the pairs that passed the first: it is this similarity that is told."""

INDISTINCT_SHARE, INDISTINCT_LEAST = 0.1, 2
"""An image that resembles more than a tenth of its class, and more than two, is like its class and nobody's copy."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is no image."""

    image: LabelledImage
    reason: str


@dataclass(frozen=True, slots=True)
class Alike:
    """Two images that show the same, and the parts they are in."""

    first: LabelledImage
    second: LabelledImage
    parts: tuple[PartName, PartName]
    similarity: float  # 1 for the same pixels
    exact: bool  # the same pixels

    @property
    def two_labels(self) -> bool:
        """The same picture is said to show two different things."""
        return self.first.label != self.second.label

    @property
    def across(self) -> bool:
        """One of them judges what the other one taught."""
        return self.parts[0] != self.parts[1]


@dataclass(frozen=True, slots=True)
class Integrity:
    """What was found. Exact duplicates are sought among all images, near ones between the parts."""

    unreadable: tuple[Unreadable, ...]
    exact: tuple[Alike, ...]
    near: tuple[Alike, ...]  # the most similar first
    indistinct: tuple[LabelledImage, ...]  # like so many of their class that being alike says nothing

    @property
    def contradictions(self) -> tuple[Alike, ...]:
        """Pairs of two labels: one of them is wrong."""
        return tuple(pair for pair in (*self.exact, *self.near) if pair.two_labels)

    @property
    def leaks(self) -> tuple[Alike, ...]:
        """Pairs on two sides of the split."""
        return tuple(pair for pair in (*self.exact, *self.near) if pair.across)


def check_integrity(division: Division) -> Integrity:
    """Look through all images; mined windows are left alone.

    Takes the square of the number of images: 1,500 in about 5 s on one thread, most of it for near-duplicates.
    """
    unreadable: list[Unreadable] = []
    whole: list[tuple[PartName, LabelledImage]] = []
    hashes: dict[str, list[int]] = {}
    coarse: list[FloatArray] = []
    fine: list[FloatArray] = []
    for part, images in parts_of(division).items():
        for image in images:
            if image.window is not None:
                continue
            try:
                pixels = load_image(image)
            except ConfigError as error:
                unreadable.append(Unreadable(image, str(error)))
                continue
            digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
            hashes.setdefault(digest, []).append(len(whole))
            coarse.append(detail(pixels, COARSE_SIDE, COARSE_BLUR))
            fine.append(detail(pixels, FINE_SIDE, FINE_BLUR))
            whole.append((part, image))

    def alike(first: int, second: int, similarity: float, *, exact: bool) -> Alike:
        (first_part, one), (second_part, other) = whole[first], whole[second]
        return Alike(one, other, (first_part, second_part), similarity, exact)

    same = {pair for members in hashes.values() for pair in combinations(members, 2)}
    near = _near(whole, np.array(coarse), np.array(fine), same) if whole else {}
    indistinct = _indistinct(whole, near)
    return Integrity(
        tuple(unreadable),
        tuple(alike(*pair, 1.0, exact=True) for pair in sorted(same)),
        tuple(
            alike(*pair, similarity, exact=False)
            for pair, similarity in sorted(near.items(), key=lambda item: -item[1])
            if indistinct.isdisjoint(pair)
        ),
        tuple(whole[index][1] for index in sorted(indistinct)),
    )


def readable(division: Division, integrity: Integrity) -> Division:
    """Return the division without the files that are no images."""
    broken = {one.image for one in integrity.unreadable}
    parts = (tuple(image for image in part if image not in broken) for part in parts_of(division).values())
    return Division(*parts)


def without_leaks(division: Division, integrity: Integrity) -> tuple[Division, tuple[LabelledImage, ...]]:
    """Return the division without images that show what a part that judges them shows, and those that were left out.

    The test images stay as they are; validation loses what resembles them, and training what resembles either.

    Raises:
        ConfigError: nothing would be left of a class.
    """
    partners: dict[LabelledImage, set[LabelledImage]] = {}
    for pair in integrity.leaks:
        partners.setdefault(pair.first, set()).add(pair.second)
        partners.setdefault(pair.second, set()).add(pair.first)

    def rid(
        name: PartName, part: Sequence[LabelledImage], judges: Sequence[LabelledImage]
    ) -> tuple[LabelledImage, ...]:
        judging = set(judges)
        kept = tuple(image for image in part if judging.isdisjoint(partners.get(image, ())))
        if lost := sorted({image.label for image in part} - {image.label for image in kept}):
            raise ConfigError(
                f"every {name} image of class {lost[0]!r} shows the same as an image that judges it; collect others, "
                "or put the images that belong together into one part with --split FILE.csv:COLUMN"
            )
        return kept

    validation = rid("validation", division.validation, division.test)
    train = rid("train", division.train, (*validation, *division.test))
    kept = {*train, *validation}
    left_out = tuple(image for image in (*division.train, *division.validation) if image not in kept)
    return Division(train, validation, division.test), left_out


def similarity_of(first: Image, second: Image) -> float:
    """Return how much of the picture two grey images share, at the best shift: about 0 to 1."""
    details = [detail(image, FINE_SIDE, FINE_BLUR) for image in (first, second)]
    spectra = np.fft.rfft2(np.array(details))
    return float(_correlations(spectra[0], spectra[1:], FINE_SIDE)[0])


def detail(image: Image, side: int, blur: float) -> FloatArray:
    """Return what tells one piece of steel from another: float32 side x side, of length 1 (or 0 where it is flat).

    What is wider than the blur is light, not steel. The mean of each row and each column goes as well: a straight
    scratch or a roller's stripe looks the same wherever along it one is.
    """
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= cv2.GaussianBlur(small, (0, 0), blur, borderType=cv2.BORDER_REFLECT_101)
    small = small - small.mean(axis=0, keepdims=True) - small.mean(axis=1, keepdims=True) + small.mean()
    length = float(np.linalg.norm(small))
    # Where a pixel differs by less than a tenth of a grey level there is only rounding to compare.
    return np.asarray(small / length if length > side / 10 else np.zeros_like(small), np.float32)


def _near(
    whole: Sequence[tuple[PartName, LabelledImage]], coarse: FloatArray, fine: FloatArray, same: set[tuple[int, int]]
) -> dict[tuple[int, int], float]:
    """Return the similarity of each pair of images in different parts that is near and not the same."""
    spectra = np.fft.rfft2(coarse).astype(np.complex64)
    found: dict[tuple[int, int], float] = {}
    for first, seconds in _across([part for part, _ in whole]):
        likely = seconds[_correlations(spectra[first], spectra[seconds], COARSE_SIDE) >= COARSE_NEAR]
        if not len(likely):
            continue
        one, others = np.fft.rfft2(fine[first]), np.fft.rfft2(fine[likely])
        for second, similarity in zip(likely.tolist(), _correlations(one, others, FINE_SIDE).tolist(), strict=True):
            pair = (min(first, second), max(first, second))
            if similarity >= NEAR and pair not in same:
                found[pair] = similarity
    return found


def _across(parts: Sequence[PartName]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield each held-out image with the images of the parts that it is compared with; no pair comes twice."""
    names = np.array(parts)
    for part, others in (("validation", ["train"]), ("test", ["train", "validation"])):
        seconds = np.flatnonzero(np.isin(names, others))
        for first in np.flatnonzero(names == part).tolist():
            if len(seconds):
                yield first, seconds


def _correlations(
    one: npt.NDArray[np.complexfloating], others: npt.NDArray[np.complexfloating], side: int
) -> FloatArray:
    """Return the largest circular cross-correlation of one spectrum with each of the others."""
    return np.asarray(np.fft.irfft2(one.conj() * others, s=(side, side)).max(axis=(1, 2)), np.float32)


def _indistinct(whole: Sequence[tuple[PartName, LabelledImage]], near: Mapping[tuple[int, int], float]) -> set[int]:
    partners = Counter(index for pair in near for index in pair)
    in_part = Counter((part, image.source, image.label) for part, image in whole)
    in_all = Counter((image.source, image.label) for _, image in whole)

    def most(index: int) -> float:
        part, image = whole[index]
        compared = in_all[image.source, image.label] - in_part[part, image.source, image.label]
        return max(INDISTINCT_LEAST, INDISTINCT_SHARE * compared)

    return {index for index, count in partners.items() if count > most(index)}
