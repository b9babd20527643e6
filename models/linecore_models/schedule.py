"""How the learning rate falls, and how many epochs there is time for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

WARM_UP = 0.5
"""Of the first epoch: the rate rises that long, while Adam does not know yet how large a step is."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A learning rate on its way down half a cosine, which ends with the last planned epoch also when plans change."""

    planned: int  # epochs, from the first
    over: int = 0  # epochs that are done
    fallen: float = 0.0  # how far down the cosine, 0..1, when the present epoch began

    def rate(self, peak: float, part: float) -> float:
        """Return the rate when *part* (0..1) of the present epoch is done."""
        risen = min(1.0, part / WARM_UP) if self.over == 0 else 1.0
        return peak * risen * 0.5 * (1 + math.cos(math.pi * self._at(part)))

    def after_epoch(self) -> Fall:
        """Return what is left after another epoch."""
        return replace(self, over=self.over + 1, fallen=self._at(1.0))

    def until(self, planned: int) -> Fall:
        """Return the same fall, to end after another number of epochs."""
        return replace(self, planned=planned)

    def _at(self, part: float) -> float:
        left = max(1, self.planned - self.over)
        return self.fallen + (1 - self.fallen) * part / left


def epochs_within(seconds: float, seconds_an_epoch: float) -> int:
    """Return how many epochs come nearest to filling the time: at most half of one too much."""
    return max(0, math.floor(seconds / seconds_an_epoch + 0.5))
