"""Whether a model notices that it looks at something else, as metrics.json tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Self

import numpy as np

from linecore.inspection import Image
from linecore_models.answers import Answers, Ask
from linecore_models.bundle import Bundle
from linecore_models.curves import Floats
from linecore_models.dataset import LabelledImage, load_squares
from linecore_models.exhibits import Exhibits
from linecore_models.manifest import Manifest
from linecore_models.measurements import Novel, Novelty, Proportion
from linecore_models.novelty import Looks
from linecore_models.separation import separation_of

BY_CONFIDENCE = "1 - confidence, for the bundle holds no statistics of novelty"


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    answers: Answers
    looks: Looks

    @classmethod
    def of(cls, answers: Answers, squares: Image) -> Self:
        return cls(answers, Looks.of(answers.embedding, squares))

    def joined(self, other: Self) -> Self:
        return type(self)(self.answers.joined(other.answers), self.looks.joined(other.looks))


def measure_novelty(
    bundle: Bundle, exhibits: Exhibits, squares: Image, surfaces: Sequence[tuple[LabelledImage, ...]], ask: Ask
) -> tuple[Novelty, Exhibits]:
    """Compare the evaluated frames with images of other *surfaces*; return the exhibits with their distances, too.

    *squares* are the evaluated frames as the model sees them.

    Where the bundle measures no novelty, the lack of confidence stands in for it.

    Raises:
        ConfigError: an image cannot be read.
        ModelError: the bundle's statistics are damaged.
    """
    manifest = bundle.manifest
    statistics = bundle.novelty()

    def distances(seen: _Seen) -> Floats:
        if statistics is None:
            return np.asarray(1 - seen.answers.scores.max(axis=1), np.float64)
        return statistics.distances(seen.looks)

    def called(seen: _Seen) -> Proportion | None:
        if statistics is None or manifest.max_novelty is None:
            return None
        return Proportion.of(int((statistics(seen.looks) > manifest.max_novelty).sum()), len(seen.looks))

    evaluated = _Seen.of(exhibits.answers, squares)
    known = distances(evaluated)
    found: dict[str, _Seen] = {}
    for number, images in enumerate(surfaces, 1):
        name = images[0].source if images[0].source not in found else f"{images[0].source} ({number})"
        others = load_squares(images, manifest.preprocessing)
        found[name] = _Seen.of(ask(others), others)

    def novel(name: str, seen: _Seen) -> Novel:
        apart = separation_of(known, distances(seen))
        return Novel(
            folder=name,
            frames=len(seen.looks),
            auroc=apart.auroc,
            false_positives=Proportion.of(apart.false_alarms, apart.known),
            caught=called(seen),
            passed=_passed(seen.answers, manifest),
        )

    section = Novelty(
        method=manifest.novelty.method if manifest.novelty else BY_CONFIDENCE,
        folders=tuple(novel(name, seen) for name, seen in found.items()),
        together=novel("all together", reduce(_Seen.joined, found.values())),
        threshold=manifest.max_novelty if statistics else None,
        known_called_novel=called(evaluated),
    )
    return section, replace(
        exhibits, known_distances=known, other_distances={name: distances(seen) for name, seen in found.items()}
    )


def _passed(answers: Answers, manifest: Manifest) -> Proportion | None:
    """Count what would pass if nobody looked at novelty."""
    if not manifest.pass_labels:
        return None
    answered = [manifest.labels[index] for index in answers.scores.argmax(axis=1)]
    return Proportion.of(sum(label in manifest.pass_labels for label in answered), len(answers))
