"""Boxes that people drew: a table like NEU-DET's, or a folder of Pascal VOC files."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from linecore.errors import ConfigError
from linecore.text import natural, printable
from linecore.validation import did_you_mean
from linecore_models.boxes import Box
from linecore_models.csv_table import read_csv
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.image_names import ImageNames

CORNERS = ("xmin", "ymin", "xmax", "ymax")
COLUMNS = ("image", "label", *CORNERS)
MAX_XML_BYTES = 4 * 1024 * 1024
"""Twenty thousand boxes; a file beyond it is a mistake or an attack."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A box as written: corners are pixels that count from 1, and both of them are inside."""

    where: str  # file and line, for sentences
    image: LabelledImage
    label: str
    corners: Mapping[str, str]


def with_boxes(images: Sequence[LabelledImage], *paths: Path) -> tuple[LabelledImage, ...]:
    """Return *images* with the boxes that CSV files, or folders of XML files, tell of; a later one has the last word.

    The table has the columns ``image,label,xmin,ymin,xmax,ymax``; both it and Pascal VOC count pixels from 1 and mean
    corners to lie inside. Some tools count from 0: a box may begin at 0, and is cut there. An image may hold boxes of
    several labels. Images that are not mentioned keep what they have; an XML file without an object means that there
    are none. A table that lies in a data folder means the images of that folder.

    Raises:
        ConfigError: the file or folder cannot be read, or a box has no image, no size, no known label, or reaches
            beyond its image.
    """
    for path in paths:
        images = _with_boxes(images, path)
    return tuple(images)


def _with_boxes(images: Sequence[LabelledImage], path: Path) -> tuple[LabelledImage, ...]:
    beside = [image for image in images if image.path.parent.parent.resolve() == path.resolve().parent]
    names = ImageNames(beside or images)
    found: dict[LabelledImage, list[_Row]] = {}
    if path.is_dir():
        for image, rows in _read_voc_folder(path, names):
            found.setdefault(image, []).extend(rows)
    else:
        for row in _read_table(path, names):
            found.setdefault(row.image, []).append(row)
    labels = sorted({image.label for image in images})
    boxes = {image: _boxes_of(image, rows, labels) for image, rows in found.items()}
    return tuple(replace(image, boxes=boxes[image]) if image in boxes else image for image in images)


def _boxes_of(image: LabelledImage, rows: Sequence[_Row], labels: Sequence[str]) -> tuple[Box, ...]:
    try:
        height, width = load_image(image).shape if rows else (0, 0)
    except ConfigError:
        return ()  # no image: whoever needs it says so, and training goes on without it
    return tuple(_box_of(row, labels, height, width) for row in rows)


def _box_of(row: _Row, labels: Sequence[str], height: int, width: int) -> Box:
    if row.label not in labels:
        hint = did_you_mean(row.label, labels) or f"; there is {', '.join(labels)}"
        raise ConfigError(f"{row.where}: the label is {printable(row.label)!r}, which is no class of the data{hint}")
    xmin, ymin, xmax, ymax = (_pixel(row, corner) for corner in CORNERS)
    for low, high, names, limit in ((xmin, xmax, CORNERS[::2], width), (ymin, ymax, CORNERS[1::2], height)):
        if low < 0 or high > limit:
            raise ConfigError(
                f"{row.where}: {names[0]} to {names[1]} is {low:g} to {high:g}, which reaches beyond {row.image.name} "
                f"with its {width}x{height} pixels, counted from 1"
            )
        if max(low, 1) > high:
            raise ConfigError(
                f"{row.where}: {names[0]} is {low:g} and {names[1]} {high:g}; a box must hold at least one pixel"
            )
    return Box(max(xmin - 1, 0), max(ymin - 1, 0), xmax, ymax, row.label)


def _pixel(row: _Row, corner: str) -> float:
    text = row.corners[corner]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{row.where}: {corner} is {printable(text)!r}; it must be a number of pixels")
    return value


def _read_table(path: Path, names: ImageNames) -> Iterator[_Row]:
    for line, cells in read_csv(path, COLUMNS):
        where = f"{path}, line {line}"
        corners = {corner: cells[corner] for corner in CORNERS}
        yield _Row(where, names.find(cells["image"], where), cells["label"], corners)


def _read_voc_folder(folder: Path, names: ImageNames) -> Iterator[tuple[LabelledImage, list[_Row]]]:
    files = sorted(folder.rglob("*.xml"), key=lambda path: natural(str(path)))
    if not files:
        raise ConfigError(f"{folder} holds no .xml files; name a folder of Pascal VOC annotations, or a CSV file")
    for path in files:
        root = _parse(path)
        name = (root.findtext("filename") or "").strip() or path.stem
        image = names.find(name if "/" in name or "\\" in name else _with_folder(path, name, names), str(path))
        yield image, [_voc_row(path, number, thing, image) for number, thing in enumerate(root.iter("object"), 1)]


def _with_folder(path: Path, name: str, names: ImageNames) -> str:
    """Return *name* with the class before it where the annotations lie in folders of classes, as the images do."""
    inside = f"{path.parent.name}/{name}"
    return inside if inside in names else name


def _voc_row(path: Path, number: int, thing: ET.Element, image: LabelledImage) -> _Row:
    texts = {corner: thing.findtext(f"bndbox/{corner}") for corner in CORNERS}
    where = f"{path}, object {number}"
    label = thing.findtext("name")
    for key, text in {"name": label, **texts}.items():
        if text is None:
            raise ConfigError(f"{where}: <{key}> is missing")
    return _Row(where, image, (label or "").strip(), {corner: text or "" for corner, text in texts.items()})


class _NoDoctype(ET.TreeBuilder):
    """Refuses a DTD before its entities are read: a few lines of them can stand for gigabytes, or for other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ConfigError("it has a document type, which no annotation needs and which may hide an attack; remove it")


def _parse(path: Path) -> ET.Element:
    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise ConfigError(f"it has more than {MAX_XML_BYTES} bytes")
        return ET.fromstring(path.read_bytes(), ET.XMLParser(target=_NoDoctype()))
    except ConfigError as error:
        raise ConfigError(f"{path} is no Pascal VOC annotation: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two: an encoding that is unknown
        raise ConfigError(f"{path} is no Pascal VOC annotation: {error}") from None
