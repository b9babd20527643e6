"""Everything that is measured of heat maps, as metrics.json tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from linecore.inspection import Image
from linecore_models.answers import Ask
from linecore_models.bundle import Bundle
from linecore_models.exhibits import Exhibits
from linecore_models.faithfulness import measure_faithfulness
from linecore_models.insertion import measure_ablation
from linecore_models.measurements import Ablation, HeatMaps, Pointing, Proportion, Randomised
from linecore_models.quiet import load_tensorflow

ABLATED = 48
RANDOMISED = 12
"""Images, spread evenly over the evaluated ones: each takes dozens of runs of the model."""

Watch = Callable[[str, int, int], None]


def measure_heat_maps(
    bundle: Bundle, exhibits: Exhibits, squares: Image, ask: Ask, *, deep: bool, watch: Watch
) -> HeatMaps | None:
    """Measure where heat maps point, if there are boxes, and with *deep* whether the answers rest on them.

    None where there is nothing to measure.
    """
    boxed = any(image.boxes for image in exhibits.images)
    if not (boxed or deep):
        return None
    hits, labels, mean = _pointing(exhibits) if boxed else (None, {}, None)
    return HeatMaps(
        hits=hits,
        labels=labels,
        mean=mean,
        ablation=_ablation(exhibits, squares, ask, watch) if deep else None,
        randomised=_randomised(bundle, exhibits, squares, watch) if deep else (),
    )


def _pointing(exhibits: Exhibits) -> tuple[Proportion, dict[str, Pointing], Pointing]:
    answers = exhibits.answers
    found = measure_faithfulness(
        exhibits.images,
        answers.scores,
        answers.class_maps,
        exhibits.manifest.labels,
        threshold=exhibits.region_threshold,
    )
    of = sum(found.images.values())
    labels = {label: Pointing(images=found.images[label], **asdict(one)) for label, one in found.labels.items()}
    return Proportion.of(found.hits, of), labels, Pointing(images=of, **asdict(found.mean))


def _ablation(exhibits: Exhibits, squares: Image, ask: Ask, watch: Watch) -> Ablation:
    chosen = _spread(len(squares), ABLATED)
    answered = exhibits.answers.scores[chosen].argmax(axis=1)
    found = measure_ablation(
        squares[chosen],
        exhibits.answers.class_maps[chosen, :, :, answered],
        answered.tolist(),
        ask,
        np.random.default_rng(0),
        watch=lambda done, of: watch("insertion and deletion", done, of),
    )
    return Ablation(**asdict(found))


def _randomised(bundle: Bundle, exhibits: Exhibits, squares: Image, watch: Watch) -> tuple[Randomised, ...]:
    if bundle.manifest.keras is None:
        return ()
    path = bundle.verified_keras()
    load_tensorflow("making a network random")
    from linecore_models.keras_file import load_keras
    from linecore_models.sanity import randomise_downwards

    chosen = _spread(len(squares), RANDOMISED)
    stages = randomise_downwards(
        load_keras(path),
        squares[chosen],
        exhibits.answers.scores[chosen].argmax(axis=1).tolist(),
        np.random.default_rng(0),
        watch=lambda done, of: watch("weights made random", done, of),
    )
    return tuple(Randomised(**asdict(stage)) for stage in stages)


def _spread(count: int, most: int) -> np.typing.NDArray[np.int64]:
    """Return at most *most* indices, spread evenly: images come label by label, so that each is there."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
