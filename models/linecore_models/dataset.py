"""Folders of classes -> labelled images -> the parts that teach, choose and judge a model."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from linecore.errors import ConfigError, ImageError
from linecore.inspection import Image
from linecore.text import natural
from linecore_models.bundle import sha256_of
from linecore_models.manifest import Resize
from linecore_models.preprocessing import preprocess, read_image

SplitMethod = Literal["blocks", "random"]
SPLIT_METHODS: tuple[SplitMethod, ...] = ("blocks", "random")
HELD_OUT = 0.15
"""Share of each class that validates, and share that tests; the rest teaches."""

MIN_IMAGES = 7
"""Of a class in a data folder: with fewer, 15 % of them are not one image."""

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file, and the class whose folder it lies in."""

    path: Path
    source: str  # name of the data folder
    label: str  # name of the class's folder

    @property
    def name(self) -> str:
        """``source/label/file``: what model.json calls the image, wherever the data folder lies."""
        return f"{self.source}/{self.label}/{self.path.name}"


@dataclass(frozen=True, slots=True)
class Division:
    """Which images teach, which choose, and which judge a model."""

    train: tuple[LabelledImage, ...]
    validation: tuple[LabelledImage, ...]
    test: tuple[LabelledImage, ...]


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


def divide(images: Sequence[LabelledImage], method: SplitMethod, seed: int) -> Division:
    """Divide each class of each data folder 70/15/15.

    ``blocks``: neighbouring file numbers are often neighbours on the strip, and nearly the same picture. So one run of
    neighbours is held out, somewhere in the class, and halved into validation and test; nothing is left out between the
    runs, so that at most one pair of neighbours is torn apart at each of the run's three borders. ``random`` draws file
    by file: it flatters a model wherever neighbours look alike.

    The place is drawn for each class by itself: adding a data folder moves nothing in another.
    """
    classes: dict[tuple[str, str], list[LabelledImage]] = {}
    for image in images:
        classes.setdefault((image.source, image.label), []).append(image)
    train: list[LabelledImage] = []
    validation: list[LabelledImage] = []
    test: list[LabelledImage] = []
    for (source, label), members in classes.items():
        rng = np.random.default_rng([seed, zlib.crc32(f"{source}/{label}".encode())])
        held = round(HELD_OUT * len(members))
        if method == "blocks":
            start = int(rng.integers(len(members) - 2 * held + 1))
            halves = (start, start + held)
            test_start, validation_start = halves if rng.random() < 0.5 else halves[::-1]
            tests = set(range(test_start, test_start + held))
            validations = set(range(validation_start, validation_start + held))
        else:
            order = rng.permutation(len(members)).tolist()
            tests, validations = set(order[:held]), set(order[held : 2 * held])
        for index, image in enumerate(members):
            part = test if index in tests else validation if index in validations else train
            part.append(image)
    return Division(tuple(train), tuple(validation), tuple(test))


def load_squares(images: Sequence[LabelledImage], size: int, resize: Resize) -> Image:
    """Return the images as the model sees them: uint8, images x size x size, grey.

    Raises:
        ConfigError: a file is no image that can be read.
    """
    squares = np.empty((len(images), size, size), np.uint8)
    for square, image in zip(squares, images, strict=True):
        try:
            # Lossless: preprocess resizes in uint8 and returns whole numbers.
            square[:] = preprocess(read_image(image.path), size, resize)[..., 0]
        except ImageError as error:
            raise ConfigError(f"{image.path} cannot be read: {error}; mend or remove the file") from None
    return squares


def label_indices(images: Sequence[LabelledImage], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the place of each image's label in *labels*."""
    place = {label: index for index, label in enumerate(labels)}
    return np.array([place[image.label] for image in images], np.int64)


def folder_hashes(images: Sequence[LabelledImage]) -> dict[str, str]:
    """Return a sha256 for each data folder, over the names and contents of its images."""
    digests = {source: hashlib.sha256() for source in dict.fromkeys(image.source for image in images)}
    for image in sorted(images, key=lambda image: image.name):
        digests[image.source].update(f"{image.label}/{image.path.name}\0{sha256_of(image.path)}\n".encode())
    return {source: digest.hexdigest() for source, digest in digests.items()}
