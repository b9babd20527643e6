from __future__ import annotations

from pathlib import Path

import numpy as np

from linecore_models.dataset import load_squares, read_folders
from linecore_models.preprocessing import Preprocessing
from linecore_models.representative import MEASURED, frames_under_conditions, representative_frames
from linecore_models.stress import CONDITIONS
from tests.bundles import SIZE, tiny_manifest
from tests.models.conftest import SIDE


def test_every_second_frame_is_as_it_is_and_the_others_are_seen_on_a_line(plates: Path) -> None:
    images = read_folders([plates])
    known = {square.tobytes() for square in load_squares(images, Preprocessing(SIDE))}
    frames = representative_frames(images, Preprocessing(SIDE), seed=0)
    assert frames.shape == (len(images), SIDE, SIDE)
    assert all(frame.tobytes() in known for frame in frames[::2])
    changed = [frame.tobytes() not in known for frame in frames[1::2]]
    assert sum(changed) > len(changed) / 2


def test_frames_are_drawn_the_same_each_time_and_no_more_than_are_asked_for(plates: Path) -> None:
    images = read_folders([plates])
    first, again, other = (representative_frames(images, Preprocessing(SIDE), seed, frames=7) for seed in (0, 0, 1))
    assert len(first) == 7
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_parity_is_measured_under_conditions_of_the_stress_table(plates: Path) -> None:
    assert {(condition.name, condition.severity) for condition in CONDITIONS} >= MEASURED
    images = read_folders([plates])[:3]
    frames = frames_under_conditions(images, tiny_manifest({}), seed=0)
    assert set(frames) == {f"{name}, {severity}" for name, severity in MEASURED}
    plain = load_squares(images, Preprocessing(SIZE)).astype(int)
    assert (frames["brightness, -40 levels"] - plain).mean() < -20
