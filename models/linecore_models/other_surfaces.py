"""Folders with images of other surfaces than the product: for novelty to learn, or to be measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
    files = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise ConfigError(f"--unknown is '{folder}', which holds no images")
    source = folder.resolve().name
    return tuple(
        LabelledImage(path, source, path.parent.name) for path in sorted(files, key=lambda path: natural(str(path)))
    )


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
        if inside := [one for one in data if _overlap(place, one.resolve())]:
            raise ConfigError(f"--unknown is '{folder}', which is or holds images of the product: '{inside[0]}'")
    images = tuple(image for folder in folders for image in read_others(folder))
    for image in images:
        load_image(image)
    if copies := _copies(images, read_folders(data) if images else ()):
        raise ConfigError(f"--unknown holds {copies[0][0].path}, which is an image of the product: {copies[0][1].path}")
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


def _copies(
    images: Sequence[LabelledImage], product: Sequence[LabelledImage]
) -> list[tuple[LabelledImage, LabelledImage]]:
    """Return which images are the very files of which of the product."""
    sizes = {image.path.stat().st_size for image in images}
    hashes = {hash_start(image): image for image in product if image.path.stat().st_size in sizes}
    return [(image, hashes[start]) for image in images if hashes and (start := hash_start(image)) in hashes]
