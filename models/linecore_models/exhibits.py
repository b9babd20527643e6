"""What figures cannot show: the images that a model was measured on, and what it said of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from linecore_models.answers import Answers
from linecore_models.curves import Curve, Floats
from linecore_models.dataset import LabelledImage
from linecore_models.evaluation import Indices
from linecore_models.heatmap import REGION_THRESHOLD
from linecore_models.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Exhibits:
    """Beside :class:`linecore_models.measurements.Measurements`, what a report is drawn from."""

    manifest: Manifest
    data: tuple[LabelledImage, ...]  # all images of the data
    images: tuple[LabelledImage, ...]  # those that were judged
    truth: Indices
    answers: Answers
    curves: dict[str, Curve]
    windows: tuple[LabelledImage, ...] = ()  # good steel between the boxes
    window_answers: Answers | None = None
    known_distances: Floats | None = None  # N: how novel each judged image is
    other_distances: Mapping[str, Floats] = field(default_factory=dict)  # folder -> the same of its images

    @property
    def windows_rejected(self) -> npt.NDArray[np.bool_]:
        """Which of the windows are called a defect: bool, one for each; empty where they were not judged."""
        if self.window_answers is None:
            return np.zeros(0, np.bool_)
        passes = np.array([label in self.manifest.pass_labels for label in self.manifest.labels])
        rejected: npt.NDArray[np.bool_] = ~passes[self.window_answers.scores.argmax(axis=1)]
        return rejected

    @property
    def region_threshold(self) -> float:
        """Share of the hottest point from which on a pixel belongs to a region, as it is served."""
        measured = self.manifest.region_threshold
        return REGION_THRESHOLD if measured is None else measured
