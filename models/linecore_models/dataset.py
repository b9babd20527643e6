"""Folders of classes -> labelled images -> the parts that teach, choose and judge a model."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from linecore.errors import ConfigError, ImageError
from linecore.inspection import Image, read_only
from linecore.text import natural
from linecore_models.boxes import Box, Window, mirror_out
from linecore_models.bundle import sha256_of
from linecore_models.preprocessing import Preprocessing, read_image

MIN_IMAGES = 7
"""Of a class in a data folder: with fewer, 15 % of them are not one image."""

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image, and the class it belongs to: a whole file, or a window of one."""

    path: Path
    source: str  # name of the data folder
    label: str  # name of the class's folder, or of good steel where the window was mined
    window: Window | None = None  # the image is this part of the file, mirrored out to the file's size
    boxes: tuple[Box, ...] | None = None  # None: nobody told where the defects lie; (): there are none

    @property
    def class_of_file(self) -> str:
        """The name of the class's folder, also where the window of the file is good steel."""
        return self.path.parent.name

    @property
    def file_name(self) -> str:
        """What model.json calls the whole file."""
        return f"{self.source}/{self.class_of_file}/{self.path.name}"

    @property
    def name(self) -> str:
        """What model.json calls the image, wherever the data folder lies.

        ``source/label/file``, and for a window ``source/label/file#x0,y0,x1,y1``.
        """
        name = f"{self.source}/{self.label}/{self.path.name}"
        if self.window is None:
            return name
        return f"{name}#{self.window.x0},{self.window.y0},{self.window.x1},{self.window.y1}"


def read_folders(folders: Sequence[Path]) -> tuple[LabelledImage, ...]:
    """List the images of data folders, each of which holds one folder of images for each class.

    Images come in natural order (``_9`` before ``_10``) within a class. Files that lie beside the classes, and files in
    a class that are no images by their suffix, are left alone.

    Raises:
        ConfigError: a folder is absent, has no classes, or is called like another.
    """
    images: list[LabelledImage] = []
    names = [folder.resolve().name for folder in folders]
    for folder, source in zip(folders, names, strict=True):
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder; name one that holds a folder of images for each class")
        if names.count(source) > 1:
            raise ConfigError(f"two data folders are called {source!r}; rename one, for model.json tells them by name")
        found = [
            LabelledImage(path, source, label.name)
            for label in sorted(entry for entry in folder.iterdir() if entry.is_dir())
            for path in sorted(label.iterdir(), key=lambda path: natural(path.name))
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        ]
        if not found:
            raise ConfigError(
                f"{folder} holds no images in folders of classes; it must look like {folder}/scratches/1.png"
            )
        images += found
    return tuple(images)


def require_trainable(images: Sequence[LabelledImage]) -> None:
    """Check that there are at least two classes, and enough images of each to divide them.

    Raises:
        ConfigError: there are not.
    """
    labels = labels_of(images)
    if len(labels) < 2:
        raise ConfigError(f"there is only one class, {labels[0]!r}; a model tells at least two apart")
    for (source, label), count in Counter((image.source, image.label) for image in images).items():
        if count < MIN_IMAGES:
            raise ConfigError(
                f"class {label!r} of {source} has {count} images; it takes at least {MIN_IMAGES} to train, "
                "validate and test with"
            )


def labels_of(images: Iterable[LabelledImage]) -> tuple[str, ...]:
    """Return the classes in alphabetical order: the order of the model's outputs."""
    return tuple(sorted({image.label for image in images}))


def load_image(image: LabelledImage) -> Image:
    """Return the pixels of an image: uint8, grey, as high and as wide as its file, a window mirrored out.

    Raises:
        ConfigError: the file is no image that can be read, or the window reaches beyond it.
    """
    try:
        pixels = read_image(image.path)
    except (ImageError, OSError) as error:
        raise ConfigError(f"{image.path} cannot be read: {error}; mend or remove the file") from None
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    if image.window is None:
        return read_only(grey)
    try:
        return read_only(mirror_out(read_only(grey), image.window))
    except ValueError as error:
        raise ConfigError(f"{image.name}: {error}") from None


def load_squares(images: Iterable[LabelledImage], preprocessing: Preprocessing) -> Image:
    """Return the images as the model sees them: uint8, images x size x size, grey.

    Raises:
        ConfigError: as :func:`load_image`.
    """
    return preprocessing.squares(load_image(image) for image in images)


def label_indices(images: Sequence[LabelledImage], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the place of each image's label in *labels*."""
    place = {label: index for index, label in enumerate(labels)}
    return np.array([place[image.label] for image in images], np.int64)


def folder_hashes(images: Sequence[LabelledImage]) -> dict[str, str]:
    """Return a sha256 for each data folder, over the names and contents of its files; a window adds nothing."""
    digests = {source: hashlib.sha256() for source in dict.fromkeys(image.source for image in images)}
    files = {(image.source, f"{image.path.parent.name}/{image.path.name}"): image.path for image in images}
    for (source, name), path in sorted(files.items()):
        digests[source].update(f"{name}\0{sha256_of(path)}\n".encode())
    return {source: digest.hexdigest() for source, digest in digests.items()}
