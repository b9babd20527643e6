"""Writes pictures of what is no steel, to measure novelty on: drawn textures and parts of photographs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

from linecore.errors import MissingExtraError
from linecore.inspection import Image
from linecore_models.textures import JUDGING, draw_textures

SIDE = 200  # pixels
TEXTURES = 30  # of each family
TILES = 12  # of a photograph, at most
NO_PHOTOGRAPHS = {"chessboard_GRAY", "chessboard_RGB", "logo", "phantom", "motorcycle_right", "no_time_for_that_tiny"}


def write_surfaces(folder: Path) -> list[Path]:
    """Write drawn textures and parts of the photographs that scikit-image ships; return the folders.

    None of these families of textures chose how novelty is measured.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        import skimage
    except ModuleNotFoundError:
        raise MissingExtraError("`make card` needs scikit-image: pip install 'linecore[dev]'") from None
    for family, images in draw_textures(JUDGING, TEXTURES, SIDE, np.random.default_rng(20_000)).items():
        _write(folder / "textures" / family, images)
    data = Path(skimage.__file__).parent / "data"
    for path in sorted((*data.glob("*.png"), *data.glob("*.jpg"))):
        if path.stem not in NO_PHOTOGRAPHS:
            _write(folder / "photographs" / path.stem, list(_tiles(path))[:TILES])
    return [folder / "textures", folder / "photographs"]


def photographs_to_choose_by() -> list[Image]:
    """Return parts of the two photographs that scikit-learn ships, a temple and a flower; none of these judges."""
    pictures = load_sample_images().images
    greys = (np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8) for picture in pictures)
    return [part for grey in greys for part in _parts(grey, SIDE // 2)]


def _tiles(path: Path) -> Iterator[Image]:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is not None:
        yield from _parts(np.asarray(grey, np.uint8), SIDE)


def _parts(grey: Image, step: int) -> Iterator[Image]:
    for top in range(0, grey.shape[0] - SIDE + 1, step):
        for left in range(0, grey.shape[1] - SIDE + 1, step):
            yield grey[top : top + SIDE, left : left + SIDE]


def _write(folder: Path, images: Iterable[Image]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, 1):
        cv2.imwrite(str(folder / f"{number}.png"), image)
