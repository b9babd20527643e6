"""Plugins whose options change while their line runs; they write down what happens to them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from linecore import hookimpl
from linecore.errors import ConnectionFailedError
from linecore.inspection import Classification, Frame, Inspection, ModelId
from linecore.line import Line
from linecore.log import LogEntry
from linecore.testing import grey

GOT: dict[str, list[tuple[str, str, str]]] = defaultdict(list)  # sink's tag -> key of the frame, decision, config hash
CHANGES: list[LogEntry] = []
LIFE: list[str] = []  # what was started and stopped, in order
TICKET = threading.Semaphore(0)  # one for each frame that a source may yield
BOUND: set[str] = set()
HANGING, LET_GO = threading.Event(), threading.Event()


def forget() -> None:
    """Begin anew."""
    for kept in (GOT, CHANGES, LIFE, BOUND):
        kept.clear()
    HANGING.clear()
    LET_GO.clear()
    while TICKET.acquire(blocking=False):
        pass


class Source:
    class Config(BaseModel):
        tag: str = "a"
        address: str = ""

    def __init__(self, config: Config) -> None:
        self.config = config

    @hookimpl
    def start(self, line: Line) -> None:
        self.line = line
        if self.config.address == "taken" or self.config.address in BOUND:
            raise ConnectionFailedError(f"{self.config.address} is taken")
        BOUND.add(self.config.address)
        LIFE.append(f"start source {self.config.tag}")

    @hookimpl
    def frames(self, stopping: threading.Event) -> Iterator[Frame]:
        number = 0
        while not stopping.is_set():
            if TICKET.acquire(timeout=0.01):
                yield self.line.frame(self, f"{self.config.tag}{number}", image=grey())
                number += 1

    @hookimpl
    def stop(self) -> None:
        BOUND.discard(self.config.address)
        LIFE.append(f"stop source {self.config.tag}")


class Judge:
    class Config(BaseModel):
        label: str = "scratches"
        confidence: float = 0.9
        broken: str = ""

    def __init__(self, config: Config) -> None:
        self.config = config

    @hookimpl
    def start(self) -> None:
        if self.config.broken == "start":
            raise ConnectionFailedError("no model")
        if self.config.broken == "exit":
            raise SystemExit(3)
        if self.config.broken == "tell":
            raise RuntimeError(f"cannot log in with {self.config.label}")
        if self.config.broken == "hang":
            HANGING.set()
            LET_GO.wait(20)
            raise ConnectionFailedError("too late")
        LIFE.append(f"start judge {self.config.label}")

    @hookimpl
    def classify(self, frame: Frame) -> Classification:
        if self.config.broken == "classify":
            raise RuntimeError("no memory")
        label, sure = self.config.label, self.config.confidence
        return Classification(label, sure, {label: sure}, ModelId("judge", "1", "0" * 64))

    @hookimpl
    def stop(self) -> None:
        LIFE.append(f"stop judge {self.config.label}")


class Sink:
    class Config(BaseModel):
        tag: str = "a"

    def __init__(self, config: Config) -> None:
        self.config = config

    @hookimpl
    def start(self) -> None:
        LIFE.append(f"start sink {self.config.tag}")

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        GOT[self.config.tag] += [
            (one.frame.id.rpartition("/")[2], str(one.verdict.decision), one.config_hash) for one in inspections
        ]

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        CHANGES.extend(entry for entry in entries if entry.kind == "config changed")

    @hookimpl
    def stop(self) -> None:
        LIFE.append(f"stop sink {self.config.tag}")
