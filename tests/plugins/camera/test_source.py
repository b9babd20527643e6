"""The camera source on a real video file, and what its table may say."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from linecore.errors import ConfigError
from linecore.testing import Always, Recorder, make_line, run
from linecore_plugins.camera.capture import masked
from tests.plugins.camera.cameras import FRAMES, brightness, camera, frames_of


def test_every_frame_of_a_video_file_is_inspected_once(video: Path, tmp_path: Path) -> None:
    sink = Recorder()
    source = camera(file=video)
    balance = run(make_line({"camera": source, "judge": Always(), "sink": sink}, folder=tmp_path))
    assert source.policy == "wait"
    assert (balance.captured, balance.recorded) == (FRAMES, FRAMES)
    frames = sorted((one.frame for one in sink.inspections), key=lambda frame: frame.sequence)
    assert brightness(frames) == list(range(FRAMES))
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert {frame.origin for frame in frames} == {str(video)}


def test_a_restart_offers_the_same_frames_of_a_file(video: Path, tmp_path: Path) -> None:
    ids = [frame.id for frame in frames_of(camera(file=video), tmp_path)]
    assert len(set(ids)) == FRAMES
    assert [frame.id for frame in frames_of(camera(file=video), tmp_path)] == ids
    fifth = frames_of(camera(file=video, fps=5), tmp_path)
    assert [frame.id for frame in fifth] == ids[::5]


def test_fps_of_a_file_counts_in_its_own_time(video: Path, tmp_path: Path) -> None:
    assert brightness(frames_of(camera(file=video, fps=5), tmp_path)) == [0, 5, 10, 15]
    assert len(frames_of(camera(file=video, fps=10), tmp_path)) == 8
    assert len(frames_of(camera(file=video, fps=100), tmp_path)) == FRAMES


def test_grey_frames_have_two_axes(video: Path, tmp_path: Path) -> None:
    assert {frame.image.shape for frame in frames_of(camera(file=video, grey=True), tmp_path)} == {(48, 64)}


def test_a_reader_that_stops_midway_lets_the_file_go(video: Path, tmp_path: Path) -> None:
    source = camera(file=video)
    line = make_line({"camera": source}, folder=tmp_path)
    line.prepare()
    stopping = threading.Event()
    with closing(source.frames(stopping)) as frames:  # type: ignore[type-var]
        next(frames)
        stopping.set()
        assert list(frames) == []
    line.release()


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({}, "set exactly one of device, url and file; set are none"),
        ({"device": 0, "url": "rtsp://x"}, "set are device and url"),
        ({"url": "strip.avi"}, "for a video file, set file"),
        ({"device": -1}, "greater than or equal to 0"),
        ({"device": 0, "fps": 0}, "greater than 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], wish: str) -> None:
    with pytest.raises(ValidationError, match=wish):
        camera(**options)


def test_a_file_that_is_missing_or_no_video_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^line\.toml: plugins\.camera\.file is '.*/no\.avi', which does not exist; name a video"
    ):
        frames_of(camera(file=tmp_path / "no.avi"), tmp_path)
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(ConfigError, match="which cannot be read as a video"):
        frames_of(camera(file=tmp_path / "text.avi"), tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:pa%40ss@cam/1", "rtsp://user:***@cam/1"),
        ("rtsp://cam/1?channel=1&password=x&subtype=0", "rtsp://cam/1?channel=1&password=***&subtype=0"),
        ("http://cam/1?AUTH_TOKEN=x", "http://cam/1?AUTH_TOKEN=***"),
        ("http://cam/path@2x.mjpg", "http://cam/path@2x.mjpg"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert masked(url) == shown
