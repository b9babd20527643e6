"""Which images of the data taught a finished model, which chose it, and which may judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from linecore.errors import ConfigError
from linecore_models.dataset import LabelledImage, folder_hashes
from linecore_models.division import Division
from linecore_models.good_steel import JUDGING_SHARE, mine
from linecore_models.manifest import Manifest, PartName
from linecore_models.measurements import Part

PARTS: tuple[Part, ...] = get_args(Part)


def of_part(part: Part, images: Sequence[LabelledImage], manifest: Manifest) -> tuple[LabelledImage, ...]:
    """Return the images that belong to a part of the model's split.

    The images that taught are not named in model.json: they are all that is not held out of a data folder, and its
    hash tells whether this is that folder.

    Raises:
        ConfigError: none belongs to it, or it cannot be told.
    """
    if part == "all":
        return tuple(images)
    if part == "train":
        for folder, digest in folder_hashes(images).items():
            if manifest.data.folders.get(folder) != digest:
                raise ConfigError(
                    f"{folder} is not, or no longer, what {manifest.name} {manifest.version} was trained on, so that "
                    "its training images cannot be told; choose --split all"
                )
        held = {name for names in manifest.split.files.values() for name in names}
        return tuple(image for image in images if image.name not in held | left_out(manifest))
    names = manifest.split.files.get(part, ())
    wanted = set(names)
    found = tuple(image for image in images if image.name in wanted)
    if not found:
        example = next(iter(names), "no file")
        raise ConfigError(
            f"the data holds none of the {len(wanted)} {part} images of {manifest.name} {manifest.version}, which are "
            f"called like {example}; name that folder, or choose --split all"
        )
    return found


def division_of(images: Sequence[LabelledImage], manifest: Manifest) -> Division:
    """Return which of *images* taught, chose and judge the model; where that is unknown, they all judge it.

    Those that the training left out are in none of the parts.
    """
    held = {name: part for part, names in manifest.split.files.items() for name in names}
    without = left_out(manifest)
    hashes = folder_hashes(images)
    same = {folder for folder, digest in hashes.items() if manifest.data.folders.get(folder) == digest}

    def those(part: PartName) -> tuple[LabelledImage, ...]:
        def belongs(image: LabelledImage) -> bool:
            known = held.get(image.name, "train" if image.source in same else "test")
            return known == part and image.name not in without

        return tuple(filter(belongs, images))

    return Division(those("train"), those("validation"), those("test"))


def left_out(manifest: Manifest) -> set[str]:
    """Return the images that were in no part: broken ones, and those that showed what judges them."""
    card = manifest.data.card
    return {*card.left_out, *card.unreadable} if card else set()


def may_have_taught(images: Sequence[LabelledImage], finished: Manifest) -> set[str]:
    """Return the files of *images* that may have taught a finished model, or one that it was learnt from.

    They lie in a data folder of a name that it knows, and it did not hold them out. Where that folder has grown since,
    those that are new in it are among them: which those are nobody wrote down.
    """
    known = {name for names in finished.split.files.values() for name in names} | left_out(finished)
    of_folders = {image.file_name for image in images if image.source in finished.data.folders}
    return (of_folders - known) | ({image.file_name for image in images} & seen_before(finished))


def seen_before(manifest: Manifest) -> set[str]:
    """Return the files that validate or test, and may have taught a model that this one was learnt from."""
    card = manifest.data.card
    return set(card.seen) if card else set()


def good_windows(images: Sequence[LabelledImage], manifest: Manifest) -> tuple[LabelledImage, ...]:
    """Return the windows without boxes of the data folders that have boxes and no images of good product."""
    if not manifest.pass_labels:
        return ()
    served = {image.source for image in images if image.label in manifest.pass_labels}
    return tuple(
        window
        for image in images
        if image.source not in served
        for window in mine(image, manifest.pass_labels[0], JUDGING_SHARE)
    )
