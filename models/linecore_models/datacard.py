"""What the data holds and what is wrong with it, for model.json and for the person who trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from rich import box
from rich.table import Table

from linecore_models.dataset import LabelledImage, labels_of
from linecore_models.division import Division, parts_of
from linecore_models.integrity import Alike, Integrity
from linecore_models.manifest import DataCard, Dataset, Manifest, PartName
from linecore_models.parts import may_have_taught

PARTS: tuple[PartName, ...] = get_args(PartName)


def data_card(
    division: Division,
    integrity: Integrity,
    left_out: Sequence[LabelledImage],
    finished: Sequence[Manifest] = (),
) -> DataCard:
    """Sum up the data as it is used: *division* has its good steel, and no longer the images that were left out.

    *finished* are the models that the training learns from.
    """
    parts = parts_of(division)
    images = [image for part in parts.values() for image in part]
    counts = {part: Counter(image.label for image in members) for part, members in parts.items()}
    mined = {part: sum(_is_mined(image) for image in members) for part, members in parts.items()}
    held = (*division.validation, *division.test)
    # Duplicates are counted by the parts that the images were meant for.
    near = Counter(" and ".join(sorted(pair.parts, key=PARTS.index)) for pair in integrity.near)
    return DataCard(
        counts={label: {part: counts[part][label] for part in PARTS} for label in labels_of(images)},
        boxes=dict(sorted(Counter(drawn.label for image in images for drawn in image.boxes or ()).items())),
        good_steel=mined if any(mined.values()) else {},
        unreadable=tuple(one.image.name for one in integrity.unreadable),
        exact_duplicates=_names(integrity.exact),
        near_duplicates=dict(near),
        contradictions=_names(integrity.contradictions),
        indistinct=len(integrity.indistinct),
        left_out=tuple(image.name for image in left_out),
        seen=tuple(sorted({name for model in finished for name in may_have_taught(held, model)})),
    )


def _is_mined(image: LabelledImage) -> bool:
    return image.window is not None and image.boxes == ()


def _names(pairs: Sequence[Alike]) -> tuple[tuple[str, str], ...]:
    return tuple((pair.first.name, pair.second.name) for pair in pairs)


def data_table(data: Dataset) -> Table:
    """Return images by label and part, with the number of boxes where there are any."""
    card = data.card or DataCard(counts={})
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), title=f"data {data.hash[:12]}", title_justify="left")
    for name in ("class", *PARTS, "together", *(["boxes"] if card.boxes else [])):
        table.add_column(name, justify="left" if name == "class" else "right")
    for label, counts in card.counts.items():
        row = [counts.get(part, 0) for part in PARTS]
        table.add_row(label, *map(str, [*row, sum(row), *([card.boxes.get(label, 0)] if card.boxes else [])]))
    return table


def data_sentences(card: DataCard) -> Iterator[str]:
    """Yield what a person must know about the data beyond the counts, a sentence each."""
    if card.good_steel:
        windows = (f"{_count(card.good_steel.get(part, 0), 'window')} to {verb}" for part, verb in _VERBS.items())
        yield f"good steel was mined between the boxes: {', '.join(windows)} with"
    for label, counts in card.counts.items():
        if counts.get("train", 0) and not counts.get("validation", 0):
            yield (
                f"no image of {label} validates, so that nothing says how sure of it to be; collect more, give "
                "another --seed or, where it was mined, bring photographs of it"
            )
    if count := len(card.unreadable):
        yield f"{_count(count, 'file')} cannot be read, the first is {card.unreadable[0]}"
    if count := len(card.exact_duplicates):
        first = " and ".join(card.exact_duplicates[0])
        have = "has" if count == 1 else "have"
        yield f"{_count(count, 'pair')} of images {have} the same pixels, the first is {first}"
    if count := len(card.contradictions):
        first = " and ".join(card.contradictions[0])
        stands = "stands" if count == 1 else "stand"
        yield f"{_count(count, 'picture')} {stands} under two labels, of which one may be wrong: the first is {first}"
    for parts, count in card.near_duplicates.items():
        yield f"{_count(count, 'pair')} of images in {parts} {'shows' if count == 1 else 'show'} much of the same"
    if count := card.indistinct:
        resemble, it = ("resembles so many of its", "it") if count == 1 else ("resemble so many of their", "them")
        yield (
            f"{_count(count, 'image')} {resemble} class that copies cannot be told from {it}; use "
            "--split FILE.csv:COLUMN where images belong together"
        )
    if count := len(card.left_out):
        why = "is left out of training or validation, for it shows what judges it"
        whys = "are left out of training or validation, for they show what judges them"
        yield f"{_count(count, 'image')} {why if count == 1 else whys}"
    if count := len(card.seen):
        yield (
            f"{_count(count, 'image')} to validate or test with may have taught a model that this one learns from: "
            "figures are too good by that; give the data, --split and --seed of that model, or learn from another"
        )


_VERBS: dict[PartName, str] = {"train": "train", "validation": "validate", "test": "test"}


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
