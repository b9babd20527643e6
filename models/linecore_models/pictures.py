"""The pictures that teach, as one epoch sees each: another part, place, light and noise every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import FloatArray, Image
from linecore_models.augmentation import Augmentation
from linecore_models.boxes import Window, label_mask
from linecore_models.dataset import LabelledImage, load_image
from linecore_models.good_steel import TEACHING_SHARE
from linecore_models.recipe import Recipe
from linecore_models.windows import mirrored_out, part_of, window_around

Indices = npt.NDArray[np.int64]

WINDOWED = 0.2
"""Share of the pictures of defects that are mirrored out of a window around a box. Mined good steel always is: were
defects never, the seams of the mirror would tell a model that the steel is good."""

KEPT_BYTES = 2 << 30
"""Of decoded pictures in memory; what is beyond is read again in every epoch."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """The images that teach, and how much each counts."""

    images: Sequence[LabelledImage]
    labels: Sequence[str]  # of the model, in the order of its outputs
    pass_labels: Sequence[str]
    folder_weights: Mapping[str, float]  # data folder -> how much its images count; 1 where it is not named
    per_epoch: Mapping[str, int]  # data folder, or folder/label -> how many of its images an epoch draws, at most

    @property
    def passes(self) -> list[bool]:
        """Whether each of the labels is good product."""
        return [label in self.pass_labels for label in self.labels]

    def order(self, seed: int, epoch: int) -> Indices:
        """Return which images an epoch sees, in its order; what a folder has too many of is drawn anew each time."""
        drawn = np.random.default_rng([seed, epoch]).permutation(len(self.images))
        seen = dict.fromkeys(self.per_epoch, 0)
        chosen = []
        for index in drawn.tolist():
            image = self.images[index]
            limits = [key for key in (image.source, f"{image.source}/{image.label}") if key in seen]
            if all(seen[key] < self.per_epoch[key] for key in limits):
                chosen.append(index)
                for key in limits:
                    seen[key] += 1
        return np.array(chosen, np.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """What the network sees, and what it should say."""

    squares: Image  # uint8, N x size x size x 1
    truth: FloatArray  # N x labels, 1 for the label and 0 elsewhere
    masks: FloatArray  # N x h x w x labels: share of each cell of the class maps that lies in a box of the label
    told: FloatArray  # N, 1 where the masks are known and 0 where nobody told
    weights: FloatArray  # N


class Pictures:
    """Draws the pictures of an epoch. May be called from several threads at once."""

    def __init__(self, teaching: Teaching, recipe: Recipe, side: int, augment: Augmentation | None = None) -> None:
        """Take what teaches; *side* is that of the class maps, in cells."""
        self._teaching = teaching
        self._recipe = recipe
        self._side = side
        self._augment = augment or Augmentation()
        self._places = {label: place for place, label in enumerate(teaching.labels)}
        self._kept: dict[str, Image] = {}
        self._bytes = 0

    def batch(self, indices: Indices, epoch: int) -> Batch:
        """Return these images as *epoch* sees them: each by its index, the seed and the epoch alone."""
        preprocessing = self._recipe.preprocessing
        count, size, labels = len(indices), preprocessing.size, len(self._places)
        squares = np.empty((count, size, size, 1), np.uint8)
        truth, told, weights = np.zeros((count, labels), np.float32), np.zeros(count, np.float32), []
        masks = np.zeros((count, self._side, self._side, labels), np.float32)
        for row, index in enumerate(indices.tolist()):
            image = self._teaching.images[index]
            rng = np.random.default_rng([self._recipe.seed, epoch, index])
            picture, lying = self._augment(*self._seen(image, rng), rng)
            squares[row] = preprocessing(picture)
            truth[row, self._places[image.label]] = 1
            told[row] = image.boxes is not None or image.label in self._teaching.pass_labels
            weights.append(self._teaching.folder_weights.get(image.source, 1.0))
            for place, mask in lying.items():
                shares = cv2.resize(mask, (self._side, self._side), interpolation=cv2.INTER_AREA)
                masks[row, :, :, place] = shares.astype(np.float32) / 255
        return Batch(squares, truth, masks, told, np.array(weights, np.float32))

    def _seen(self, image: LabelledImage, rng: np.random.Generator) -> tuple[Image, dict[int, Image]]:
        """Return the whole picture or a window of it, with a mask for each label that has a box."""
        pixels = self._pixels(image)
        boxes = image.boxes or ()
        masks = {
            self._places[label]: (label_mask(boxes, label, *pixels.shape) * np.uint8(255)).astype(np.uint8)
            for label in dict.fromkeys(box.label for box in boxes)
            if label in self._places
        }
        height, width = pixels.shape
        window = self._window(image, height, width, rng)
        if window is None:
            return pixels, masks
        put = mirrored_out(pixels, window, rng)
        return put(pixels), {place: put(mask) for place, mask in masks.items()}

    def _window(self, image: LabelledImage, height: int, width: int, rng: np.random.Generator) -> Window | None:
        least = round(TEACHING_SHARE * min(height, width))
        if image.window is not None:
            return part_of(image.window, least, rng)
        shown = [box for box in image.boxes or () if box.label == image.label]
        if not shown or rng.random() >= WINDOWED:
            return None
        return window_around(shown[int(rng.integers(len(shown)))], least, height, width, rng)

    def _pixels(self, image: LabelledImage) -> Image:
        """Return the whole file, grey; windows of one file share it."""
        name = str(image.path)
        pixels = self._kept.get(name)
        if pixels is None:
            pixels = load_image(replace(image, window=None))
            if self._bytes + pixels.nbytes <= KEPT_BYTES:  # two threads may both pass: the limit is no promise
                self._kept[name] = pixels
                self._bytes += pixels.nbytes
        return pixels
