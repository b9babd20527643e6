"""The proofs of more than one machine, cut short."""

from pathlib import Path

import pytest

from tests.torture.scale_out import link_cut, neu_images, server_stopped, two_workers_one_killed


@pytest.mark.usefixtures("neu")
def test_two_workers_share_a_stream_and_one_is_killed(tmp_path: Path) -> None:
    counts = two_workers_one_killed(tmp_path, neu_images(), frames=60)
    counts.check()
    assert all(counts.by_worker), counts


@pytest.mark.usefixtures("neu")
@pytest.mark.parametrize("cut", ["worker-1", "edge"])
def test_a_node_whose_link_is_cut_catches_up(tmp_path: Path, cut: str) -> None:
    link_cut(tmp_path, neu_images(), cut, frames=60, rate=20, seconds=3).check()  # type: ignore[arg-type]


@pytest.mark.usefixtures("neu")
def test_a_server_that_is_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    server_stopped(tmp_path, neu_images(), frames=60, rate=20, seconds=2).check()
