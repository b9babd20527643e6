"""What becomes of a file once its frame is safe."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from linecore.ledger import RECORDED
from tests.plugins.folder.folders import BIG_PNG, PNG, folder_source, offered, prepared, put


def test_done_files_are_deleted(folder: Path) -> None:
    put(folder, "a.png")
    offered(folder, settle=RECORDED, done="delete")
    assert list((folder / "in").iterdir()) == []


def test_done_files_are_moved_and_never_over_another(folder: Path) -> None:
    options: dict[str, Any] = {"done": "move", "done_folder": folder / "in/done", "recursive": True}
    put(folder, "left/a.png")
    offered(folder, settle=RECORDED, **options)
    put(folder, "left/a.png", BIG_PNG)
    offered(folder, settle=RECORDED, **options)
    contents = {path.read_bytes() for path in (folder / "in/done/left").iterdir()}
    assert contents == {PNG, BIG_PNG}
    assert (folder / "in/done/left/a.png").read_bytes() == PNG
    assert offered(folder, **options) == []


def test_a_name_of_255_bytes_can_be_moved_twice(folder: Path) -> None:
    for content in (PNG, BIG_PNG):
        put(folder, "ü" * 125 + ".png", content)
        offered(folder, settle=RECORDED, done="move", done_folder=folder / "done")
    assert len(list((folder / "done").iterdir())) == 2


def test_done_files_move_to_another_disk(folder: Path) -> None:
    shm = Path("/dev/shm")  # a file system of its own on every Linux
    if not shm.is_dir() or shm.stat().st_dev == folder.stat().st_dev:
        pytest.skip("no second file system")
    target = shm / f"linecore-test-{os.getpid()}"
    put(folder, "a.png")
    try:
        offered(folder, settle=RECORDED, done="move", done_folder=target)
        assert [path.name for path in target.iterdir()] == ["a.png"]
        assert (target / "a.png").read_bytes() == PNG
    finally:
        (target / "a.png").unlink(missing_ok=True)
        target.rmdir()
    assert list((folder / "in").iterdir()) == []


def test_a_file_that_was_replaced_meanwhile_is_neither_moved_nor_deleted(folder: Path) -> None:
    put(folder, "a.png")
    source = folder_source(folder / "in", watch=False, done="delete")
    with prepared(source, folder):
        (frame,) = source.frames(threading.Event())
        put(folder, "a.png", BIG_PNG)
        source.settle(frame, RECORDED)
    assert (folder / "in/a.png").read_bytes() == BIG_PNG
    assert len(offered(folder)) == 1


def test_a_file_that_cannot_be_moved_is_not_inspected_twice(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"done": "move", "done_folder": folder / "done", "recursive": True}
    put(folder, "left/a.png")
    (folder / "done").mkdir()
    (folder / "done/left").write_text("in the way")
    offered(folder, settle=RECORDED, **options)
    assert "a.png stays where it is" in caplog.text
    assert offered(folder, **options) == []
