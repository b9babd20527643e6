"""Folders with images of other surfaces than the product: for novelty to learn, or to be measured on."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from linecore.errors import ConfigError
from linecore.text import natural
from linecore_models.bundle import sha256_of
from linecore_models.dataset import IMAGE_SUFFIXES, LabelledImage, load_image, read_folders
from linecore_models.manifest import Manifest


def read_others(folder: Path) -> tuple[LabelledImage, ...]:
    """List the images of other surfaces in *folder* and the folders below it, in natural order; hidden ones are none.

    Raises:
        ConfigError: there are none.
    """
    if not folder.is_dir():
        raise ConfigError(f"--unknown is '{folder}', which is no folder; name one that holds images of other surfaces")
    files = sorted(_files(folder), key=lambda path: natural(str(path)))
    if not files:
        raise ConfigError(f"--unknown is '{folder}', which holds no images")
    source = folder.resolve().name
    return tuple(LabelledImage(path, source, path.parent.relative_to(folder).as_posix()) for path in files)


def name_of(image: LabelledImage) -> str:
    """Return where an image of another surface lies, from its folder on: ``belt/1.png``, ``belt/wet/1.png``."""
    return posixpath.normpath(image.name)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the images in *folder* and in all below it, also where these are links; hidden ones are none."""

    def refuse(error: OSError) -> NoReturn:
        raise ConfigError(f"--unknown is '{folder}', of which '{error.filename}' cannot be read ({error.strerror})")

    seen: set[str] = set()
    for root, below, names in os.walk(folder, onerror=refuse, followlinks=True):
        place = os.path.realpath(root)
        below[:] = [] if place in seen else [name for name in below if not name.startswith(".")]
        if place not in seen:
            yield from (path for name in names if (path := Path(root, name)).is_file() and _shows(path))
        seen.add(place)


def _shows(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_unknown(folders: Sequence[Path], data: Sequence[Path]) -> tuple[LabelledImage, ...]:
    """List the images of several such folders that are to teach, each of which can be read and none of which is *data*.

    A few images of the product among them would have its frames taken for other surfaces, and these for the product.

    Raises:
        ConfigError: it says which folder or file cannot teach, and why.
    """
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if [other.name for other in places].count(place.name) > 1:
            raise ConfigError(f"two folders of --unknown are called {place.name!r}; rename one, or name both's parent")
        if any(_overlap(place, other) for other in places if other != place):
            raise ConfigError(
                f"--unknown is '{folder}', which holds another of them or lies in one; name one of the two"
            )
        if inside := [one for one in data if _overlap(place, one.resolve())]:
            raise ConfigError(f"--unknown is '{folder}', which is or holds images of the product: '{inside[0]}'")
    images = tuple(image for folder in folders for image in read_others(folder))
    pixels = {image: _pixels(image) for image in images}
    product = {} if not images else _by_pixels(read_folders(data))
    for image, one in pixels.items():
        if one in product:
            raise ConfigError(f"--unknown holds {image.path}, which is an image of the product: {product[one].path}")
    return images


def require_unseen(images: Sequence[LabelledImage], manifest: Manifest) -> None:
    """Refuse images that the model's novelty has learnt: they would say nothing of others.

    Raises:
        ConfigError: it names the folder and one of them.
    """
    learnt = {start for starts in (manifest.novelty.unknown if manifest.novelty else {}).values() for start in starts}
    if seen := [image for image in images if learnt and hash_start(image) in learnt]:
        raise ConfigError(
            f"--unknown is '{images[0].source}': {len(seen)} of its {len(images)} images taught {manifest.name} what "
            f"is novel, such as {seen[0].path.name}; measure with images that did not"
        )


def hash_start(image: LabelledImage) -> str:
    """Return what tells an image's file from others: the beginning of its sha256."""
    return sha256_of(image.path)[:16]


def _overlap(first: Path, second: Path) -> bool:
    return first.is_relative_to(second) or second.is_relative_to(first)


def _pixels(image: LabelledImage) -> str:
    grey = load_image(image)
    return hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).hexdigest()


def _by_pixels(product: Sequence[LabelledImage]) -> dict[str, LabelledImage]:
    found = {}
    for image in product:
        with suppress(ConfigError):  # what cannot be read is left out of the product too, and said
            found[_pixels(image)] = image
    return found
