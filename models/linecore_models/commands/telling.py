"""What ``linecore train`` and ``linecore export`` say of the data before, and of the model after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console

from linecore_models.dataset import LabelledImage
from linecore_models.manifest import Dataset, Manifest
from linecore_models.other_surfaces import hash_start
from linecore_models.tables import (
    confusion_table,
    doubt_sentence,
    learnt_sentence,
    score_sentence,
    trust_sentence,
    variants_table,
)


def shown_on(console: Console) -> Callable[[Dataset], None]:
    """Return what prints the data, and what is wrong with it, before hours go into learning it."""

    def show(data: Dataset) -> None:
        from linecore_models.datacard import data_sentences, data_table

        console.print(data_table(data))
        for sentence in data_sentences(data.card) if data.card else ():
            console.print(sentence, highlight=False, soft_wrap=True)

    return show


def tell_made(console: Console, manifest: Manifest, unknown: Sequence[LabelledImage]) -> None:
    """Print how good a model is that was trained, and what novelty has learnt of *unknown*."""
    for folder, score in manifest.metrics["test"].folders.items():
        console.print(f"test, {folder}: {score_sentence(score)}", highlight=False, soft_wrap=True)
    console.print(confusion_table(manifest.metrics["test"], manifest.labels))
    console.print(variants_table(manifest.variants))
    tell_trust(console, manifest, unknown)
    if not manifest.pass_labels:
        console.print(
            "no class is good product: the model knows defects only, and every frame gets one", highlight=False
        )


def tell_trust(console: Console, manifest: Manifest, unknown: Sequence[LabelledImage]) -> None:
    """Print how far to trust a model, and what novelty has learnt of *unknown*."""
    for sentence in (trust_sentence(manifest), learnt_sentence(manifest, unknown), doubt_sentence(manifest)):
        if sentence:
            console.print(sentence, highlight=False, soft_wrap=True)


def tell_forgotten(console: Console, old: Manifest, unknown: Sequence[LabelledImage]) -> None:
    """Say which other surfaces the *old* model's novelty had learnt and the new one's, from *unknown*, will not."""
    learnt = old.novelty.unknown if old.novelty else {}
    given = {hash_start(image) for image in unknown} if learnt else set()
    for folder, starts in learnt.items():
        if lost := sum(start not in given for start in starts):
            console.print(
                f"{old.name} {old.version} had learnt {lost} images of {folder} as other surfaces, which the new model "
                "is not shown; name them with --unknown",
                highlight=False,
                soft_wrap=True,
            )
