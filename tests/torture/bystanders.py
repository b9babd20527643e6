"""Plugins of the lines that are tortured: one that watches, and sinks that lag, sleep and raise.

A line names them by this file (``type = "bystanders.py:Witness"``): they are plugins like anybody's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from linecore import hookimpl
from linecore.config import LinePath
from linecore.events import VerdictReached
from linecore.inspection import Inspection

if TYPE_CHECKING:
    from linecore.line import Line


class Log:
    """A file that lines are added to; what was added survives a kill, since each line is one write."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, text: str) -> None:
        """Add lines."""
        os.write(self._file, text.encode())

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


class Witness:
    """Writes down each verdict as it is reached: id, seconds since 1970 of capture and verdict, latency, decision."""

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        path: LinePath

    def __init__(self, config: Config) -> None:
        self._path = config.path
        self._unsubscribe: Callable[[], None] = lambda: None

    @hookimpl
    def start(self, line: Line) -> None:
        log, clock = Log(self._path), line.clock

        def write(event: VerdictReached) -> None:
            one = event.inspection
            log.add(
                f"{one.frame.id} {one.frame.captured_at.timestamp():.6f} {clock.now().timestamp():.6f} "
                f"{one.timings.verdict:.3f} {one.verdict.decision}\n"
            )

        unsubscribe = line.bus.subscribe(VerdictReached, write)

        def end() -> None:
            unsubscribe()
            log.close()

        self._unsubscribe = end

    @hookimpl
    def stop(self) -> None:
        self._unsubscribe()


class Archive:
    """Writes down each delivery: id, seconds since 1970 of completion and delivery, buffered or not.

    It may be slow: ``pause_s`` seconds a batch.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        path: LinePath
        pause_s: float = 0.0

    def __init__(self, config: Config) -> None:
        self.config = config
        self._log: Log | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        self._log, self._clock = Log(self.config.path), line.clock

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        Flag().wait(self.config.pause_s)
        self.keep(inspections)

    @hookimpl
    def stop(self) -> None:
        if self._log is not None:
            self._log.close()

    def keep(self, inspections: Sequence[Inspection]) -> None:
        """Write a batch down."""
        assert self._log is not None, "start comes first"
        now = self._clock.now().timestamp()
        self._log.add(
            "".join(
                f"{one.frame.id} {one.completed_at.timestamp():.6f} {now:.6f} {int(one.buffered)}\n"
                for one in inspections
            )
        )


class Sleeper(Archive):
    """Falls asleep for ``pause_s`` seconds at each batch, while the file ``disturbed`` exists."""

    class Config(Archive.Config):
        disturbed: LinePath

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        assert isinstance(self.config, Sleeper.Config)
        if self.config.disturbed.exists():
            Flag().wait(self.config.pause_s)
        self.keep(inspections)


class Raiser(Archive):
    """Raises at every third batch, while the file ``disturbed`` exists, and writes down that it did."""

    class Config(Archive.Config):
        disturbed: LinePath
        raised: LinePath

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._batches = 0
        self._raised = Log(config.raised)

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        assert isinstance(self.config, Raiser.Config)
        self._batches += 1
        if self._batches % 3 == 0 and self.config.disturbed.exists():
            self._raised.add("raised\n")
            raise RuntimeError("every third batch")
        self.keep(inspections)

    @hookimpl
    def stop(self) -> None:
        super().stop()
        self._raised.close()
