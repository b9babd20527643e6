"""How far to trust a new bundle: its temperature, its thresholds, what is novel to it, and where its regions end.

All of it is measured on frames that did not teach, as they are and under line conditions, through the very file that
will be served: int8 has another embedding than Keras, and another doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from linecore.inspection import Image
from linecore_models.answers import Ask, Runner, open_runner
from linecore_models.boxes import label_mask
from linecore_models.bundle import Bundle, sha256_of
from linecore_models.calibration import fit_temperature
from linecore_models.classification import tempered
from linecore_models.dataset import LabelledImage, load_image, load_squares
from linecore_models.division import Division
from linecore_models.localisation import choose_threshold
from linecore_models.manifest import Manifest, NoveltyFile
from linecore_models.novelty import Looks, Novelty
from linecore_models.novelty_fit import Others, fit_novelty, with_others
from linecore_models.novelty_methods import SERVED, WITH_SPECTRUM
from linecore_models.other_surfaces import hash_start
from linecore_models.outliers import chosen_evenly, draw_outliers, outliers_in
from linecore_models.separation import Separation, separation_of
from linecore_models.stress import looks
from linecore_models.textures import CHOOSING, draw_textures
from linecore_models.thresholds import Costs, choose_thresholds

NOVELTY_FILE = "novelty.npz"

TAUGHT = 1500
"""Training images that say what is known, at most: a covariance needs no more, and each is seen four times."""

MAX_NOVELTY = 0.998
"""Quantile of the known frames beyond which a person is asked: two of a thousand frames that are none of it."""

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


def with_trust(folder: Path, manifest: Manifest, division: Division, unknown: Sequence[LabelledImage] = ()) -> Manifest:
    """Return *manifest*, which lies in *folder* beside its files, with how far to trust it; writes what novelty needs.

    *division* is what the model was made from, good steel included; *unknown* are pictures of other surfaces, which
    novelty learns beside drawn ones. Without a file that may be served there is nothing to trust, and the manifest
    stays as it is.

    Raises:
        ConfigError: an image cannot be read.
    """
    untempered = manifest.model_copy(update={"temperature": 1.0})
    runner = _served(Bundle(folder, untempered))
    if runner is None:
        return manifest
    ask = open_runner(Bundle(folder, untempered), runner)
    seed = manifest.split.seed
    full = in_full(division.validation, manifest.data.weights)
    squares, truth = looks(full, manifest, seed)
    answers = ask(squares)
    temperature = fit_temperature(answers.scores, truth)
    thresholds = None
    if manifest.pass_labels:
        sure = tempered(answers.scores, temperature)
        thresholds = choose_thresholds(sure, truth, manifest.labels, manifest.pass_labels, Costs())

    known, speaking = Looks.of(answers.embedding, squares), set(full)
    if helping := [image for image in division.validation if image not in speaking]:
        known = known.joined(_seen(ask, looks(helping, manifest, seed)[0]))
    taught_squares, taught_truth = looks(drawn_to_teach(division.train, seed), manifest, seed)
    taught = _seen(ask, taught_squares)
    alone = fit_novelty(taught, taught_truth, known)
    shown = chosen_evenly(unknown, MOST_SHOWN, np.random.default_rng(seed))
    others = others_to_teach(ask, manifest, shown)
    surfaces = {family: _seen(ask, frames) for family, frames in drawn_surfaces(manifest).items()}
    statistics = with_others(alone, taught, known, others)
    path = folder / NOVELTY_FILE
    statistics.write(path)
    novelty = NoveltyFile(
        file=path.name,
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        method=SERVED if statistics.elsewhere else WITH_SPECTRUM,
        variant=None if runner == "keras" else runner,
        taught=len(taught_squares),
        known=len(known),
        unknown=_by_folder(shown),
        doubtful=_like_the_product(alone, ask, shown, manifest),
        auroc={family: apart.auroc for family, apart in told_apart(alone, taught, known, others, surfaces).items()},
    )
    return manifest.model_copy(
        update={
            "temperature": temperature,
            "min_confidence": thresholds.chosen.min_confidence if thresholds else None,
            "novelty": novelty,
            "max_novelty": MAX_NOVELTY,
            "region_threshold": _region_threshold(division.validation, ask, manifest),
        }
    )


def _served(bundle: Bundle) -> Runner | None:
    """Return the file that a line would take first; that of Keras where no other may be served."""
    servable = bundle.servable()
    if servable:
        return servable[0]
    return "keras" if bundle.manifest.keras else None


def in_full(images: Sequence[LabelledImage], folder_weights: Mapping[str, float]) -> list[LabelledImage]:
    """Return the images of the data folders that counted most: what helps out says nothing of how sure to be.

    All of them where those folders lack a label that others have: without good frames escapes would cost nothing.
    """
    weights = {image.source: folder_weights.get(image.source, 1.0) for image in images}
    most = max(weights.values(), default=1.0)
    full = [image for image in images if weights[image.source] == most]
    return full if {image.label for image in full} == {image.label for image in images} else list(images)


def drawn_to_teach(images: Sequence[LabelledImage], seed: int) -> list[LabelledImage]:
    """Return the images that say what is known."""
    chosen = np.random.default_rng(seed).permutation(len(images))[:TAUGHT]
    return [images[index] for index in sorted(chosen.tolist())]


def _seen(ask: Ask, squares: Image) -> Looks:
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

    return Others(_seen(ask, manifest.preprocessing.squares(images())), families)


def drawn_surfaces(manifest: Manifest) -> dict[str, Image]:
    """Draw what chooses how novelty is measured: family -> squares as the model sees them, uint8, N x size x size."""
    drawn = draw_textures(CHOOSING, TEXTURES, TEXTURE_SIDE, np.random.default_rng(manifest.split.seed))
    return {family: manifest.preprocessing.squares(images) for family, images in drawn.items()}


def _by_folder(images: Sequence[LabelledImage]) -> dict[str, tuple[str, ...]]:
    folders: dict[str, tuple[str, ...]] = {}
    for image in images:
        folders[image.source] = (*folders.get(image.source, ()), hash_start(image))
    return folders


def _like_the_product(alone: Novelty, ask: Ask, images: Sequence[LabelledImage], manifest: Manifest) -> tuple[str, ...]:
    """Return the images that are no more novel than nearly all known frames, by statistics that learnt none of them."""
    if not images:
        return ()
    novelty = alone(_seen(ask, load_squares(images, manifest.preprocessing)))
    return tuple(image.name for image, one in zip(images, novelty, strict=True) if one < DOUBTFUL)


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


def _region_threshold(images: Sequence[LabelledImage], ask: Ask, manifest: Manifest) -> float | None:
    """Return from which heat on a pixel belongs to a defect; None where nobody told where the defects lie."""
    boxed = [image for image in images if any(box.label == image.label for box in image.boxes or ())]
    if not boxed:
        return None
    maps = ask(load_squares(boxed, manifest.preprocessing)).class_maps
    places = {label: place for place, label in enumerate(manifest.labels)}
    truths = [
        label_mask(image.boxes or (), image.label, *load_image(replace(image, window=None)).shape) for image in boxed
    ]
    chosen = choose_threshold(
        [of_image[..., places[image.label]] for of_image, image in zip(maps, boxed, strict=True)],
        truths,
        # A label of one data folder is another than that of another: drawn steel must not outvote real steel.
        [f"{image.source}/{image.label}" for image in boxed],
    )
    return chosen.share
