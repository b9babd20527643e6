"""What is novel to a new bundle: learnt from frames that taught it, from frames that did not, and from what is other.

Through the very file that will be served, as all that is known of how far to trust a bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from linecore.inspection import Image
from linecore.text import natural
from linecore_models.answers import Ask, Runner
from linecore_models.bundle import sha256_of
from linecore_models.dataset import LabelledImage, load_squares
from linecore_models.division import Division
from linecore_models.manifest import Manifest, NoveltyFile
from linecore_models.novelty import Looks, Novelty
from linecore_models.novelty_fit import Others, fit_novelty, with_others
from linecore_models.novelty_methods import SERVED, WITH_SPECTRUM
from linecore_models.other_surfaces import hash_start, name_of
from linecore_models.outliers import chosen_evenly, draw_outliers, outliers_in
from linecore_models.separation import Separation, separation_of
from linecore_models.stress import looks
from linecore_models.textures import CHOOSING, draw_textures

NOVELTY_FILE = "novelty.npz"

TAUGHT = 1500
"""Training images that say what is known, at most: a covariance needs no more, and each is seen four times."""

TEXTURES, TEXTURE_SIDE = 30, 200
"""Drawn surfaces of each family that choose, and their pixels a side."""

OUTLIERS, BLENDS = 100, 1000
"""Drawn surfaces of each family, and of two, that teach what is none of the product."""

MOST_SHOWN = 2_000
"""Of the pictures of other surfaces that somebody brought: about as many as are drawn, which they must not drown."""

DOUBTFUL = 0.9
"""Quantile of the known frames up to which a picture of another surface may be one of the product."""

TEACHING = 4_711
"""Told to the generator that draws these, so that they are others than those that choose."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """The file of a bundle that a line would take first."""

    ask: Ask
    runner: Runner


def learn_novelty(
    folder: Path, manifest: Manifest, division: Division, known: Looks, unknown: Sequence[LabelledImage], served: Served
) -> NoveltyFile:
    """Learn what is novel, and write it into *folder*, where the bundle of *manifest* lies.

    *division* is what the model was made from; *known* are its frames that did not teach; *unknown* are pictures of
    other surfaces, which are learnt beside drawn ones.

    Raises:
        ConfigError: an image cannot be read.
    """
    ask, seed = served.ask, manifest.split.seed
    squares, truth = looks(drawn_to_teach(division.train, seed), manifest, seed)
    taught = look_at(ask, squares)
    alone = fit_novelty(taught, truth, known)
    shown = chosen_evenly(unknown, MOST_SHOWN, np.random.default_rng(seed))
    others = others_to_teach(ask, manifest, shown)
    surfaces = {family: look_at(ask, frames) for family, frames in drawn_surfaces(manifest).items()}
    statistics = with_others(alone, taught, known, others)
    path = folder / NOVELTY_FILE
    statistics.write(path)
    return NoveltyFile(
        file=path.name,
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        method=SERVED if statistics.elsewhere else WITH_SPECTRUM,
        variant=None if served.runner == "keras" else served.runner,
        taught=len(taught),
        known=len(known),
        unknown=_by_folder(shown),
        doubtful=_like_the_product(alone, ask, shown, manifest),
        auroc={family: apart.auroc for family, apart in told_apart(alone, taught, known, others, surfaces).items()},
    )


def drawn_to_teach(images: Sequence[LabelledImage], seed: int) -> list[LabelledImage]:
    """Return the images that say what is known."""
    chosen = np.random.default_rng(seed).permutation(len(images))[:TAUGHT]
    return [images[index] for index in sorted(chosen.tolist())]


def look_at(ask: Ask, squares: Image) -> Looks:
    """Return how novel *squares* (uint8, N x size x size) may look to a model."""
    return Looks.of(ask(squares).embedding, squares)


def others_to_teach(ask: Ask, manifest: Manifest, unknown: Sequence[LabelledImage] = ()) -> Others:
    """Draw what novelty is shown of other surfaces, beside the pictures of *unknown*; return what the model sees in it.

    Raises:
        ConfigError: an image cannot be read.
    """
    rng = np.random.default_rng([manifest.split.seed, TEACHING])
    drawn = draw_outliers(OUTLIERS, BLENDS, TEXTURE_SIDE, rng)
    families: list[frozenset[str]] = []

    def images() -> Iterator[Image]:
        for outlier in chain(drawn, outliers_in(unknown, len(drawn), rng)):
            families.append(outlier.families)
            yield outlier.image

    return Others(look_at(ask, manifest.preprocessing.squares(images())), families)


def drawn_surfaces(manifest: Manifest) -> dict[str, Image]:
    """Draw what chooses how novelty is measured: family -> squares as the model sees them, uint8, N x size x size."""
    drawn = draw_textures(CHOOSING, TEXTURES, TEXTURE_SIDE, np.random.default_rng(manifest.split.seed))
    return {family: manifest.preprocessing.squares(images) for family, images in drawn.items()}


def _by_folder(images: Sequence[LabelledImage]) -> dict[str, tuple[str, ...]]:
    folders: dict[str, list[str]] = {}
    for image in images:
        folders.setdefault(image.source, []).append(hash_start(image))
    return {folder: tuple(starts) for folder, starts in folders.items()}


def _like_the_product(alone: Novelty, ask: Ask, images: Sequence[LabelledImage], manifest: Manifest) -> tuple[str, ...]:
    """Return the images that are no more novel than nearly all known frames, by statistics that learnt none of them."""
    if not images:
        return ()
    novelty = alone(look_at(ask, load_squares(images, manifest.preprocessing)))
    doubtful = (name_of(image) for image, one in zip(images, novelty, strict=True) if one < DOUBTFUL)
    return tuple(sorted(doubtful, key=natural))


def told_apart(
    alone: Novelty, taught: Looks, known: Looks, others: Others, surfaces: Mapping[str, Looks]
) -> dict[str, Separation]:
    """Return how well each family of *surfaces* is told from the *known* frames by statistics that it was not shown to.

    *alone* are the statistics that have learnt from no *others* yet.
    """
    found = {}
    for family, asked in surfaces.items():
        statistics = with_others(alone, taught, known, others.without(family))
        found[family] = separation_of(statistics.distances(known), statistics.distances(asked))
    return found
