"""Whether a model notices that it looks at something else, as metrics.json tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from linecore.errors import ConfigError
from linecore.text import natural
from linecore_models.answers import Answers, Ask
from linecore_models.bundle import Bundle
from linecore_models.curves import Floats
from linecore_models.dataset import IMAGE_SUFFIXES, LabelledImage, load_squares
from linecore_models.exhibits import Exhibits
from linecore_models.manifest import Manifest
from linecore_models.measurements import Novel, Novelty, Proportion
from linecore_models.separation import separation_of

BY_CONFIDENCE = "1 - confidence, for the bundle holds no statistics of novelty"


def read_others(folder: Path) -> tuple[LabelledImage, ...]:
    """List the images of other surfaces in *folder* and the folders below it, in natural order.

    Raises:
        ConfigError: there are none.
    """
    if not folder.is_dir():
        raise ConfigError(f"--unknown is '{folder}', which is no folder; name one that holds images of other surfaces")
    files = [path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not files:
        raise ConfigError(f"--unknown is '{folder}', which holds no images")
    source = folder.resolve().name
    return tuple(
        LabelledImage(path, source, path.parent.name) for path in sorted(files, key=lambda path: natural(str(path)))
    )


def measure_novelty(
    bundle: Bundle, exhibits: Exhibits, surfaces: Sequence[tuple[LabelledImage, ...]], ask: Ask
) -> tuple[Novelty, Exhibits]:
    """Compare the evaluated frames with images of other *surfaces*; return the exhibits with their distances, too.

    Where the bundle measures no novelty, the lack of confidence stands in for it.

    Raises:
        ConfigError: an image cannot be read.
        ModelError: the bundle's statistics are damaged.
    """
    manifest = bundle.manifest
    statistics = bundle.novelty()

    def distances(answers: Answers) -> Floats:
        if statistics is None:
            return np.asarray(1 - answers.scores.max(axis=1), np.float64)
        return statistics.distances(answers.embedding)

    def called(answers: Answers) -> Proportion | None:
        if statistics is None or manifest.max_novelty is None:
            return None
        return Proportion.of(int((statistics(answers.embedding) > manifest.max_novelty).sum()), len(answers))

    known = distances(exhibits.answers)
    found: dict[str, Answers] = {}
    for number, images in enumerate(surfaces, 1):
        name = images[0].source if images[0].source not in found else f"{images[0].source} ({number})"
        found[name] = ask(load_squares(images, manifest.preprocessing))
    others = {name: distances(answers) for name, answers in found.items()}
    together = Answers(
        *(
            np.concatenate([getattr(answers, output) for answers in found.values()])
            for output in ("scores", "class_maps", "embedding")
        )
    )

    def novel(name: str, answers: Answers) -> Novel:
        apart = separation_of(known, distances(answers))
        return Novel(
            folder=name,
            frames=len(answers),
            auroc=apart.auroc,
            false_positives=Proportion.of(apart.false_alarms, apart.known),
            caught=called(answers),
            passed=_passed(answers, manifest),
        )

    section = Novelty(
        method=manifest.novelty.method if manifest.novelty else BY_CONFIDENCE,
        folders=tuple(novel(name, answers) for name, answers in found.items()),
        together=novel("all together", together),
        threshold=manifest.max_novelty if statistics else None,
        known_called_novel=called(exhibits.answers),
    )
    return section, replace(exhibits, known_distances=known, other_distances=others)


def _passed(answers: Answers, manifest: Manifest) -> Proportion | None:
    """Count what would pass if nobody looked at novelty."""
    if not manifest.pass_labels:
        return None
    answered = [manifest.labels[index] for index in answers.scores.argmax(axis=1)]
    return Proportion.of(sum(label in manifest.pass_labels for label in answered), len(answers))
