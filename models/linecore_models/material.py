"""What a model is made of: what was ordered, and the data, read, looked at, divided and completed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from linecore.errors import ConfigError
from linecore_models.box_files import with_boxes
from linecore_models.bundle import Bundle
from linecore_models.card import Card
from linecore_models.dataset import LabelledImage, labels_of, read_folders, require_trainable
from linecore_models.division import HELD_OUT, Division
from linecore_models.good_steel import with_good_steel
from linecore_models.group_files import read_split
from linecore_models.integrity import Integrity, check_integrity, readable, without_leaks
from linecore_models.manifest import VariantName
from linecore_models.splits import divide, split_name


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made, and of what."""

    name: str
    version: str
    card: Card
    folders: Sequence[Path]
    boxes: Sequence[Path]  # where the defects lie: CSV files, or folders of Pascal VOC files
    split: str  # "blocks", "random" or FILE.csv:COLUMN
    validation_share: float  # of each class; what it leaves of the usual 15 % teaches
    pass_labels: tuple[str, ...]  # those of them that the data has
    good_steel: bool  # whether to mine it where there are boxes and no images of it
    spread: tuple[str, ...]  # labels whose boxes leave out what looks the same: their images teach no good steel
    folder_weights: Mapping[str, float]  # data folder -> how much its images count; 1 for those that are not named
    per_epoch: Mapping[str, int]  # data folder, or folder/label -> how many of its images an epoch draws, at most
    variants: Sequence[VariantName]
    with_keras: bool
    unknown: Sequence[LabelledImage] = ()  # other surfaces, which novelty learns
    teachers: Sequence[Bundle] = ()  # finished models whose answers are learnt beside the truth


@dataclass(frozen=True, slots=True)
class Material:
    """The data, read and divided."""

    images: Sequence[LabelledImage]  # as they lie in the folders
    division: Division  # with what was mined, and without what was left out
    integrity: Integrity  # of the images before anything was left out
    left_out: Sequence[LabelledImage]  # for they show what judges them
    labels: tuple[str, ...]
    pass_labels: tuple[str, ...]
    split: str  # what model.json calls it


def read_material(order: Order, seed: int) -> Material:
    """Read the data folders, divide them, and mine good steel where it is wanted and nobody brought any.

    Left out are files that are no images, and images of training and validation that show what judges them.

    Raises:
        ConfigError: the data is not fit to train with, or an option names what it does not have.
    """
    images = read_folders(order.folders)
    require_trainable(images)
    images = with_boxes(images, *order.boxes)
    split = read_split(order.split, images)
    division = divide(images, split, seed, order.validation_share)
    integrity = check_integrity(division)
    division, left_out = without_leaks(readable(division, integrity), integrity)
    if order.good_steel and order.pass_labels:
        division = with_good_steel(division, order.pass_labels[0], order.spread)
    labels = labels_of(division.train)
    lost = sorted(set(labels) - {image.label for image in division.validation})
    if lost and order.validation_share < HELD_OUT:
        raise ConfigError(
            f"with --validation-share {order.validation_share:g} no image of {lost[0]!r} validates, and nothing would "
            "say how sure of it to be; give a larger one"
        )
    _require_known(order, division.train, labels)
    passes = tuple(label for label in order.pass_labels if label in labels)
    return Material(images, division, integrity, left_out, labels, passes, split_name(split))


def _require_known(order: Order, images: Sequence[LabelledImage], labels: Sequence[str]) -> None:
    sources = sorted({image.source for image in images})
    classes = sorted({f"{image.source}/{image.label}" for image in images})
    for option, names, known in (
        ("--weight", order.folder_weights, sources),
        ("--per-epoch", order.per_epoch, [*sources, *classes]),
    ):
        if strange := [name for name in names if name not in known]:
            raise ConfigError(f"{option} names {strange[0]!r}, which is no data folder; there is {', '.join(known)}")
