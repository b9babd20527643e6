"""A folder of what nobody should put there: each is a NO_RESULT with its reason in the history, or left alone."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy.orm import Session

from linecore.decoding import MAX_ENCODED_BYTES
from linecore.ledger import RECORDED
from linecore.testing import Always, grey, make_line, run
from linecore_db.schema import InspectionRow
from linecore_db.session import open_database
from linecore_db.urls import parse_url
from linecore_plugins.database import DatabaseSink
from linecore_plugins.folder.files import FolderFiles
from tests.linecore.encoded import NOISE, bmp, by_pillow, chunk, png, tiff
from tests.plugins.folder.folders import PNG, folder_source, names, offered, prepared, put

JPEG = cv2.imencode(".jpg", NOISE)[1].tobytes()

BAD: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "the file is empty"),
    "text.jpg": (b"not an image", "not a JPEG, PNG, BMP or TIFF file"),
    "animated.gif.png": (b"GIF89a" + bytes(100), "not a JPEG, PNG, BMP or TIFF file"),
    "animated.png": (png(4, 4, more=chunk(b"acTL", b"\0\0\0\2\0\0\0\0")), "it has 2 frames, and a line takes one"),
    "bomb.png": (png(30_000, 30_000), "30000 x 30000 pixels, the limit is 134217728 in all"),
    "wide.bmp": (bmp(2**31 - 1, 1), "the limit is 65535 a side"),
    "nothing.bmp": (bmp(0, 0), "which is no image"),
    "cut\noff.jpg": (JPEG[: len(JPEG) // 2], "the JPEG ends before its end marker"),
    "cut.tif": (tiff(NOISE)[:2000], "beyond the end of the file: it was cut off"),
    "damaged.jpg": (JPEG[:1000] + bytes(500) + JPEG[1500:], "the JPEG is damaged"),
    "damaged.png": (PNG[:45] + b"\xff\xff" + PNG[47:], "it is damaged"),
    "float.tiff": (by_pillow(NOISE, "TIFF", "F"), "floating numbers of 32 bits"),
    "pages.tiff": (tiff(NOISE, pages=3), "it has 3 pages, and a line takes one"),
    os.fsdecode(b"\xff" * 251 + b".bmp"): (b"BM", "ends within its header"),
}
GOOD: dict[str, bytes] = {
    "a jpeg called.png": JPEG,
    "deep.tif": cv2.imencode(".tif", NOISE.astype(np.uint16) * 256)[1].tobytes(),
    "inks.jpg": by_pillow(np.dstack([NOISE] * 3), "JPEG", "CMYK"),
    "something follows.png": PNG + b"camera settings" * 1000,
}


def test_everything_bad_is_a_no_result_with_its_reason_in_the_history(folder: Path) -> None:
    for name, content in {**GOOD, **{name: content for name, (content, _) in BAD.items()}}.items():
        put(folder, name, content)
    url = parse_url(f"sqlite:///{folder / 'history.db'}")
    source = folder_source(folder / "in", watch=False)
    plugins = {"in": source, "judge": Always(), "history": DatabaseSink(DatabaseSink.Config(url=url))}
    balance = run(make_line(plugins, folder=folder))
    assert balance.balanced
    assert balance.recorded == len(BAD) + len(GOOD)
    engine = open_database(url, read_only=True)
    with Session(engine) as session:
        rows = {Path(row.origin or "").name: row for row in session.query(InspectionRow)}
    engine.dispose()
    for name in GOOD:
        assert rows[name].decision == "FAIL", rows[name].reason
    for name, (_, reason) in BAD.items():
        shown = name.replace("\n", "\\n") if name.isascii() else "\\xff" * 251 + ".bmp"
        assert rows[shown].decision == "NO_RESULT"
        said = rows[shown].reason or ""
        assert said.startswith("bad image: ")
        assert reason in said
        assert said.isprintable()


def test_sockets_pipes_devices_and_folders_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "a.png")
    os.mkfifo(folder / "in/pipe.png")
    (folder / "in/folder.png").mkdir()
    (folder / "in/null.png").symlink_to("/dev/null")
    monkeypatch.chdir(folder / "in")  # the path of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.png")
        assert names(offered(folder)) == ["a.png"]


def test_a_pipe_that_took_a_file_s_place_does_not_block(folder: Path) -> None:
    put(folder, "a.png")
    put(folder, "b.png")
    source = folder_source(folder / "in", watch=False)
    with prepared(source, folder):
        frames = source.frames(threading.Event())
        next(frames)
        (folder / "in/b.png").unlink()
        os.mkfifo(folder / "in/b.png")
        assert list(frames) == []


def test_a_link_out_that_took_a_file_s_place_is_not_followed(folder: Path) -> None:
    put(folder, "a.png")
    secret = folder / "secret.png"
    files = FolderFiles(folder / "in", ["*.png"], recursive=False)
    (file,) = files.scan()
    os.link(folder / "in/a.png", secret)  # the same size and time of modification
    file.path.unlink()
    file.path.symlink_to(secret)
    assert files.read(file, 1000) is None


def test_of_a_huge_file_only_the_limit_is_read(folder: Path) -> None:
    with put(folder, "huge.png").open("r+b") as file:
        file.truncate(20 * 1024**3)
    (frame,) = offered(folder, settle=RECORDED)
    assert len(frame.encoded or b"") == MAX_ENCODED_BYTES + 1


def test_a_huge_file_is_a_no_result(folder: Path) -> None:
    with put(folder, "huge.png", cv2.imencode(".png", grey())[1].tobytes()).open("r+b") as file:
        file.truncate(20 * 1024**3)
    url = parse_url(f"sqlite:///{folder / 'history.db'}")
    source = folder_source(folder / "in", watch=False)
    plugins = {"in": source, "judge": Always(), "history": DatabaseSink(DatabaseSink.Config(url=url))}
    assert run(make_line(plugins, folder=folder)).recorded == 1
    engine = open_database(url, read_only=True)
    with Session(engine) as session:
        assert [row.reason for row in session.query(InspectionRow)] == [
            f"bad image: the file has more than the {MAX_ENCODED_BYTES} bytes that a line takes"
        ]
    engine.dispose()
