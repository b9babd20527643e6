"""What a person reads of a model's figures, within 100 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from linecore_models.dataset import LabelledImage
from linecore_models.evaluation import wilson_interval
from linecore_models.manifest import Manifest, Metrics, Score, Variant, VariantName


def score_sentence(score: Score) -> str:
    """Return k of n, its share with the 95 % interval, and what goes wrong at the gate."""
    low, high = wilson_interval(score.correct, score.of)
    return (
        f"{score.correct} of {score.of} correct, {score.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"{score.escapes} escapes, {score.overkill} overkill"
    )


def confusion_table(metrics: Metrics, labels: Sequence[str]) -> Table:
    """Return the confusion matrix, with precision, recall and F1 at the end of each row."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), title="truth in rows, answers in columns", title_justify="left")
    table.add_column("")
    for number in range(1, len(labels) + 1):
        table.add_column(str(number), justify="right")
    for name in ("recall", "precision", "F1"):
        table.add_column(name, justify="right")
    for index, label in enumerate(labels):
        found = metrics.per_class[label]
        counts = [
            f"[bold]{count}[/bold]" if column == index else str(count or "·")
            for column, count in enumerate(metrics.confusion[index])
        ]
        shares = [found.recall, found.precision, found.f1] if found.support else [None, found.precision, None]
        table.add_row(f"{index + 1} {label}", *counts, *("-" if share is None else f"{share:.1%}" for share in shares))
    return table


def variants_table(variants: Mapping[VariantName, Variant]) -> Table:
    """Return how near each variant is to the Keras model."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), title="against the Keras model", title_justify="left")
    for name in ("variant", "MB", "speed", "same label", "largest change", "served"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    for name, variant in variants.items():
        parity = variant.parity
        if parity is None:
            continue
        agreement = parity.top1_agreement
        table.add_row(
            name,
            f"{variant.bytes / 1e6:.1f}",
            "-" if parity.relative_speed is None else f"{parity.relative_speed:.2f} x",
            f"{agreement.agree} of {agreement.of}",
            f"{parity.max_probability_change:.3f}",
            "yes" if parity.fit else "no",
        )
    return table


def doubt_sentence(manifest: Manifest) -> str | None:
    """Return which images of other surfaces may show the product; None where none does."""
    doubtful = manifest.novelty.doubtful if manifest.novelty else ()
    if not doubtful:
        return None
    named = ", ".join(doubtful[:3]) + (" and others" if len(doubtful) > 3 else "")
    looks, them = ("looks", "it") if len(doubtful) == 1 else ("look", "them")
    return (
        f"of the images of --unknown, {named} {looks} like the product; if it is to be seen there, take {them} out and "
        f"export the model again, for novelty learns from {them} to overlook other surfaces"
    )


def learnt_sentence(manifest: Manifest, given: Sequence[LabelledImage]) -> str | None:
    """Return how many images of other surfaces novelty has learnt of those that were *given*; None without any."""
    if not given or manifest.novelty is None:
        return None
    counts = Counter(image.source for image in given)
    learnt = {source: len(manifest.novelty.unknown.get(source, ())) for source in counts}
    return "novelty learnt " + ", ".join(
        f"{learnt[source]} of {of} images of {source}" for source, of in counts.items()
    )


def trust_sentence(manifest: Manifest) -> str:
    """Return what was measured of how far to trust the model, and where a person should be asked."""
    if manifest.novelty is None:
        return "no file of it may be served, so nothing was measured of how far to trust it"
    told = [f"temperature {manifest.temperature:.2f}"]
    if manifest.min_confidence is not None:
        told.append(f"ask a person below a confidence of {manifest.min_confidence:g}")
    if manifest.max_novelty is not None:
        told.append(f"and above a novelty of {manifest.max_novelty:g}")
    if manifest.region_threshold is not None:
        told.append(f"regions end at {manifest.region_threshold:g} of the hottest point")
    return ", ".join(told)
