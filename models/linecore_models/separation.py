"""How well a number that should be high for some frames and low for others tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.floating]

CAUGHT = 0.95


@dataclass(frozen=True, slots=True)
class Separation:
    """Known frames against novel ones, which are the positives."""

    known: int
    novel: int
    auroc: float  # how often a novel frame has a higher number than a known one; ties count half
    false_alarms: int  # known frames at or above the number that 95 % of the novel ones reach

    @property
    def false_positive_rate(self) -> float:
        """At 95 % of the novel frames caught."""
        return self.false_alarms / self.known


def separation_of(known: Numbers, novel: Numbers) -> Separation:
    """Compare the numbers of known frames (N) with those of novel ones (M); neither may be empty."""
    # The area under the ROC curve is the Mann-Whitney statistic: each novel frame's place among the known ones.
    ordered = np.sort(known)
    below = np.searchsorted(ordered, novel, side="left") + np.searchsorted(ordered, novel, side="right")
    # The highest limit that still catches the share.
    limit = np.sort(novel)[len(novel) - int(np.ceil(CAUGHT * len(novel)))]
    return Separation(
        known=len(known),
        novel=len(novel),
        auroc=float(below.mean() / 2 / len(known)),
        false_alarms=int((known >= limit).sum()),
    )
