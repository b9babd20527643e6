"""Real folders with a folder source on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.events import SourceConnected
from linecore.inspection import Frame
from linecore.ledger import Outcome
from linecore.line import Line
from linecore.testing import Always, Listener, Recorder, grey, make_line
from linecore_plugins.folder.source import FolderSource

PNG = cv2.imencode(".png", grey())[1].tobytes()
BIG_PNG = cv2.imencode(".png", np.random.default_rng(1).integers(0, 256, (400, 400), np.uint8))[1].tobytes()


def folder_source(path: Path, **options: object) -> FolderSource:
    return FolderSource(FolderSource.Config.model_validate({"path": path, "settle_s": 0.05, "rescan_s": 60, **options}))


@contextmanager
def prepared(source: FolderSource, folder: Path) -> Iterator[Line]:
    line = make_line({"folder": source}, folder=folder)
    line.prepare()
    try:
        yield line
    finally:
        line.release()


def offered(folder: Path, *, settle: Outcome | None = None, **options: object) -> list[Frame]:
    """Start a source on the folder ``in`` of *folder*, take the frames that are there, settle them, and stop it."""
    source = folder_source(folder / "in", watch=False, **options)
    with prepared(source, folder):
        frames = list(source.frames(threading.Event()))
        for frame in frames if settle else ():
            assert settle is not None
            source.settle(frame, settle)
        return frames


@contextmanager
def serving(source: FolderSource, folder: Path) -> Iterator[tuple[Listener, Recorder]]:
    """Run a whole line, until the block ends; the source watches when the block begins."""
    sink = Recorder()
    line = make_line({"folder": source, "judge": Always(), "sink": sink}, folder=folder)
    listener = Listener(line)
    line.start()
    try:
        listener.wait_for(SourceConnected)
        yield listener, sink
    finally:
        balance = line.stop()
    assert balance.balanced


def names(frames: list[Frame]) -> list[str]:
    return [Path(frame.origin or "").name for frame in frames]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def put(folder: Path, name: str, content: bytes = PNG) -> Path:
    path = folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
