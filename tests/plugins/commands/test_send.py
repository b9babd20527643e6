"""``linecore send``, in a process of its own, to a line in this one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
import pytest

from linecore.events import SourceConnected
from linecore.inspection import Part
from linecore.testing import Always, Listener, Recorder, grey, make_line
from linecore_plugins.zmq.source import ZmqSource

PNG = cv2.imencode(".png", grey())[1].tobytes()


def send(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from linecore.cli import main; main()", "send", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
def address(sink: Recorder, tmp_path: Path) -> Iterator[str]:
    with serving(sink, tmp_path) as address:
        yield address


@contextmanager
def serving(sink: Recorder, folder: Path) -> Iterator[str]:
    source = ZmqSource(ZmqSource.Config(bind="tcp://127.0.0.1:0"))
    line = make_line({"zmq": source, "judge": Always(), "sink": sink}, folder=folder)
    listener = Listener(line)
    line.start()
    try:
        listener.wait_for(SourceConnected)
        yield source.address
    finally:
        balance = line.stop()
    assert balance.balanced


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for number in range(1, 12):
        cv2.imwrite(str(folder / f"strip_{number}.png"), grey(number))
    cv2.imwrite(str(folder / "deep/colour.jpg"), np.zeros((8, 6, 3), np.uint8))
    (folder / "notes.txt").write_text("no image")
    return folder


def test_files_of_a_folder_arrive_in_order_with_their_part(address: str, sink: Recorder, images: Path) -> None:
    done = send(address, "images", "--part", "coil=C7", "--part", "metre=1.5", cwd=images.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "12 of 12 recorded\n", "")
    frames = sorted((one.frame for one in sink.inspections), key=lambda frame: frame.sequence)
    names = [re.sub("@.*", "", frame.id.removeprefix("test/zmq/")) for frame in frames]
    assert names == ["deep/colour.jpg", *(f"strip_{number}.png" for number in range(1, 12))]
    assert {frame.part for frame in frames} == {Part(coil="C7", metre=1.5)}
    assert frames[1].captured_at.timestamp() == pytest.approx((images / "strip_1.png").stat().st_mtime, abs=1e-3)


def test_the_same_files_again_are_the_same_frames(address: str, sink: Recorder, images: Path) -> None:
    for _ in range(2):
        assert send(address, images / "strip_1.png", cwd=images).stdout == "1 of 1 recorded\n"
    assert len(sink.inspections) == 1


def test_pixels_can_be_sent_instead_of_files(address: str, sink: Recorder, images: Path) -> None:
    assert send(address, images, "--raw", cwd=images).returncode == 0
    frames = {frame.id.split("@")[0]: frame for frame in (one.frame for one in sink.inspections)}
    assert all(frame.encoded is None for frame in frames.values())
    np.testing.assert_array_equal(frames["test/zmq/strip_7.png"].image, grey(7))
    assert frames["test/zmq/deep/colour.jpg"].image.shape == (8, 6, 3)


def test_one_json_object_a_file(address: str, images: Path) -> None:
    (images / "strip_1.png").write_bytes(b"GIF89a")
    done = send(address, images / "strip_1.png", images / "strip_2.png", "--json", cwd=images)
    refused, recorded = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert refused["source"] == str(images / "strip_1.png")
    assert (refused["status"], refused["reason"]) == ("refused", "it is not a JPEG, PNG, BMP or TIFF file")
    assert (recorded["status"], recorded["reason"]) == ("recorded", None)
    assert recorded["id"].startswith("strip_2.png@")
    assert done.stderr == "1 of 2 recorded, 1 refused\n"


def test_no_faster_than_asked(address: str, images: Path) -> None:
    began = monotonic()
    assert send(address, images, "--fps", 10, cwd=images).returncode == 0
    assert monotonic() - began > 1.1


def test_nobody_there_is_a_problem_and_not_the_end_of_time(images: Path) -> None:
    done = send("tcp://127.0.0.1:1", images, "--timeout", 0.3, cwd=images)
    assert done.returncode == 1
    assert "no answer within 0.3 s" in done.stderr
    assert done.stdout == "0 of 12 recorded, 12 unanswered\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "images"], "the address to send to is 'nowhere'; it must look like tcp://127.0.0.1:5570"),
        (["tcp://127.0.0.1:99999", "images"], "it must look like tcp://127.0.0.1:5570"),
        (["tcp://127.0.0.1:5570", "missing"], "'missing' does not exist"),
        (["tcp://127.0.0.1:5570", "empty"], "empty holds no image"),
        (["tcp://127.0.0.1:5570", "images", "--part", "color=red"], "'color=red' must be KEY=VALUE"),
        (["tcp://127.0.0.1:5570", "images", "--part", "metre=far"], "'metre=far': metre must be a number"),
        (["tcp://127.0.0.1:5570", "images", "--fps", "0"], "0.0 is not in the range x>0"),
        (["tcp://127.0.0.1:5570"], "Missing argument 'PATH...'"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_exit_code_2(images: Path, words: list[str], sentence: str) -> None:
    (images.parent / "empty").mkdir()
    done = send(*words, cwd=images.parent)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
