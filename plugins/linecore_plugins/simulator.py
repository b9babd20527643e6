"""A source without a camera: a rolling strip of drawn hot-rolled steel, with the truth about each frame attached."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from threading import Event as Flag
from typing import TYPE_CHECKING, Literal, Self, get_args

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from linecore.hookspecs import hookimpl
from linecore.inspection import Frame, Part
from linecore_plugins.steel.strip import CLEAN, SteelFrame, roll_steel

if TYPE_CHECKING:
    from linecore.line import Line

Defect = Literal["crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches"]


class SimulatorSource:
    """Draws a strip of hot-rolled steel, clean or with one of six defects, and attaches the truth."""

    policy = "wait"

    class Config(BaseModel):
        """The table ``[plugins.simulator]``."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        frames: int | None = Field(None, ge=1, description="how many frames; unset: without end")
        fps: float | None = Field(None, gt=0, description="frames a second; unset: as fast as the line takes them")
        seed: int = Field(
            0,
            ge=0,
            description="the same seed draws the same frames under the same ids, so a run that is repeated adds nothing"
            " to the history; choose another seed for new frames, also after a change of the options below",
        )
        defect_rate: float = Field(0.3, ge=0, le=1, description="share of the frames that have a defect")
        labels: tuple[Defect, ...] = Field(
            get_args(Defect), min_length=1, description="defects to draw, each as often as the others"
        )
        width: int = Field(200, ge=64, le=4096, description="pixels across the strip")
        height: int = Field(200, ge=64, le=4096, description="pixels along the strip")
        encoding: Literal["raw", "png", "jpeg"] = Field(
            "raw", description="hand frames over as pixels, or as the bytes of a file as a camera on the network does"
        )
        coil: str = Field("coil", min_length=1, max_length=40, description="coils are called <coil>-1, <coil>-2, ...")
        coil_length: float = Field(50.0, gt=0, description="metres; each coil has a surface of its own")
        metres_per_frame: float = Field(0.5, gt=0, description="metres of strip that a frame shows")

        @model_validator(mode="after")
        def _coil_holds_a_frame(self) -> Self:
            if self.coil_length < self.metres_per_frame:
                raise ValueError(f"coil_length must be at least metres_per_frame, which is {self.metres_per_frame}")
            return self

    def __init__(self, config: Config) -> None:
        self._config = config

    @hookimpl
    def start(self, line: Line) -> None:
        """Remember whose frames these are."""
        self._line = line

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield the strip frame by frame, not faster than ``fps``."""
        config, clock = self._config, self._line.clock
        due = clock.monotonic()
        for index, steel in enumerate(simulate_strip(config)):
            if config.fps is not None:
                if stopping.wait(max(0.0, due - clock.monotonic())):
                    return
                due = max(due, clock.monotonic() - 1 / config.fps) + 1 / config.fps  # no burst after a wait
            if stopping.is_set():
                return
            yield self._frame(index, steel)

    def _frame(self, index: int, steel: SteelFrame) -> Frame:
        config = self._config
        raw = config.encoding == "raw"
        return self._line.frame(
            self,
            key=f"{config.seed}-{index}",
            image=steel.image if raw else None,
            encoded=None if raw else cv2.imencode(f".{config.encoding}", steel.image)[1].tobytes(),
            part=Part(coil=f"{config.coil}-{steel.coil}", metre=round(steel.position * config.metres_per_frame, 3)),
            truth=steel.truth,
        )


def simulate_strip(config: SimulatorSource.Config) -> Iterator[SteelFrame]:
    """Return the frames that *config* describes; each starts at the metre where the one before it ended."""
    label_rng, steel_rng = np.random.default_rng(config.seed).spawn(2)
    return roll_steel(
        steel_rng,
        _labels(label_rng, config),
        width=config.width,
        height=config.height,
        coil_frames=int(config.coil_length / config.metres_per_frame + 1e-9),
    )


def _labels(rng: np.random.Generator, config: SimulatorSource.Config) -> Iterator[str]:
    for _ in repeat(None) if config.frames is None else range(config.frames):
        defective, choice = rng.random() < config.defect_rate, int(rng.integers(len(config.labels)))
        yield config.labels[choice] if defective else CLEAN
