"""What ``linecore train`` and ``linecore export`` say of the data before, and of the model after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console

from linecore_models.dataset import LabelledImage
from linecore_models.manifest import Dataset, Manifest
from linecore_models.tables import confusion_table, doubt_sentence, score_sentence, trust_sentence, variants_table


def shown_on(console: Console) -> Callable[[Dataset], None]:
    """Return what prints the data, and what is wrong with it, before hours go into learning it."""

    def show(data: Dataset) -> None:
        from linecore_models.datacard import data_sentences, data_table

        console.print(data_table(data))
        for sentence in data_sentences(data.card) if data.card else ():
            console.print(sentence, highlight=False, soft_wrap=True)

    return show


def tell_made(console: Console, manifest: Manifest) -> None:
    """Print how good a model is that was trained."""
    for folder, score in manifest.metrics["test"].folders.items():
        console.print(f"test, {folder}: {score_sentence(score)}", highlight=False, soft_wrap=True)
    console.print(confusion_table(manifest.metrics["test"], manifest.labels))
    console.print(variants_table(manifest.variants))
    console.print(trust_sentence(manifest), highlight=False, soft_wrap=True)
    if doubt := doubt_sentence(manifest):
        console.print(doubt, highlight=False, soft_wrap=True)
    if not manifest.pass_labels:
        console.print(
            "no class is good product: the model knows defects only, and every frame gets one", highlight=False
        )


def tell_forgotten(console: Console, old: Manifest, unknown: Sequence[LabelledImage]) -> None:
    """Say which other surfaces the *old* model's novelty had learnt and the new one's, from *unknown*, will not."""
    known = old.novelty.unknown if old.novelty else {}
    if forgotten := sorted(known.keys() - {image.source for image in unknown}):
        console.print(
            f"the novelty of {old.name} {old.version} had learnt what {', '.join(forgotten)} looks like, and forgets "
            "it unless --unknown names it again",
            highlight=False,
            soft_wrap=True,
        )
