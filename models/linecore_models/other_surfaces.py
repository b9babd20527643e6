"""Folders with images of other surfaces than the product: for novelty to learn, or to be measured on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from linecore.errors import ConfigError
from linecore.text import natural
from linecore_models.dataset import IMAGE_SUFFIXES, LabelledImage, load_image


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


def read_unknown(folders: Iterable[Path]) -> tuple[LabelledImage, ...]:
    """List the images of several such folders, each of which can be read.

    Raises:
        ConfigError: a folder has none, or holds a file that is no image.
    """
    images = tuple(image for folder in folders for image in read_others(folder))
    for image in images:
        load_image(image)
    return images
