"""Which images belong together, as a column of a table tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from linecore.errors import ConfigError
from linecore.validation import did_you_mean
from linecore_models.csv_table import read_csv
from linecore_models.dataset import LabelledImage
from linecore_models.groups import Groups
from linecore_models.image_names import ImageNames
from linecore_models.splits import SPLIT_METHODS, SplitMethod


def read_split(text: str, images: Sequence[LabelledImage]) -> SplitMethod | Groups:
    """Return what ``--split`` wishes: ``blocks``, ``random``, or the groups in a column, written ``FILE.csv:COLUMN``.

    The table has a column ``image`` beside that column. It must name all images of a data folder, or none.

    Raises:
        ConfigError: the wish is none of these, or the table cannot be used.
    """
    for method in SPLIT_METHODS:
        if text == method:
            return method
    file, separator, column = text.rpartition(":")
    if not separator or not file or not column:
        hint = did_you_mean(text, SPLIT_METHODS) or ""
        raise ConfigError(
            f"--split is {text!r}; it takes blocks, random, or a table and its column: FILE.csv:COLUMN{hint}"
        )
    return read_groups(Path(file), column, images)


def read_groups(path: Path, column: str, images: Sequence[LabelledImage]) -> Groups:
    """Return the groups that *column* of the table tells of.

    Raises:
        ConfigError: it cannot be read, names an unknown image, one image twice, or not all of a data folder.
    """
    names = ImageNames(images)
    of: dict[str, str] = {}
    for line, cells in read_csv(path, ("image", column)):
        image = names.find(cells["image"], f"{path}, line {line}")
        if not cells[column]:
            raise ConfigError(f"{path}, line {line}: {column} is empty; each image needs a group")
        if of.setdefault(image.name, cells[column]) != cells[column]:
            raise ConfigError(f"{path}, line {line}: {image.name} is in {cells[column]!r} and in {of[image.name]!r}")
    mentioned = {image.source for image in images if image.name in of}
    if not mentioned:
        raise ConfigError(f"{path} names no image")
    if missing := [image.name for image in images if image.source in mentioned and image.name not in of]:
        raise ConfigError(f"{path} does not tell the {column} of {missing[0]}, nor of {len(missing) - 1} others")
    return Groups(f"{path.name}:{column}", of)
