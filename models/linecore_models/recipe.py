"""How a model is taught: every number that its training depends on, beside the data."""

from __future__ import annotations

from dataclasses import dataclass

from linecore_models.preprocessing import Preprocessing, Resize

IMAGENET = "imagenet"
NO_WEIGHTS = "none"
GIVEN = "given"
"""Weights that a network gets after it was built: those of a finished model."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is taught."""

    weights: str = IMAGENET  # of the backbone: "imagenet", "none" or a path; of all of it: a bundle
    alpha: float = 1.0  # width of MobileNetV2
    channels: int = 128  # width of the fused features
    prune: float = 0.0  # share of the cost of the channels in a finished model's blocks; goes before it learns
    input_size: int = 128  # pixels
    resize: Resize = "area"
    even_contrast: float = 0.5  # how far the contrast of every square is made the same
    head_epochs: int = 2  # with the backbone frozen
    fine_tune_epochs: int = 60  # with the backbone learning too, at most
    patience: int = 20  # epochs of fine-tuning without a lower validation loss, then it stops
    batch_size: int = 16
    head_rate: float = 1.5e-3  # learning rate of the head at the start; it falls to zero by the last epoch
    fine_tune_rate: float = 1e-4  # of the backbone, when it begins to learn; at 3e-4 it forgot what it knew
    weight_decay: float = 1e-4
    dropout: float = 0.1
    label_smoothing: float = 0.02
    box_weight: float = 12.0  # of the class maps against the boxes, cell by cell, beside the loss of the label
    overlap_weight: float = 6.0  # of how little the class maps and the boxes overlap
    seed: int = 0
    time_budget: float | None = None  # seconds; plans the epochs in place of the numbers above

    @property
    def epochs(self) -> int:
        """At most, without a time budget."""
        return self.head_epochs + self.fine_tune_epochs

    @property
    def preprocessing(self) -> Preprocessing:
        """How a frame becomes what the model sees."""
        return Preprocessing(self.input_size, self.resize, self.even_contrast)

    @property
    def pretrained(self) -> bool:
        """Whether the backbone comes with weights."""
        return self.weights != NO_WEIGHTS
