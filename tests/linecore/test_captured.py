"""Counts of captured frames outlive the process that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from linecore.captured import CapturedCounts

KILLED = """
import os, signal, sys
from pathlib import Path
from linecore.captured import CapturedCounts
counts = CapturedCounts(Path(sys.argv[1]))
for number in range(1000):
    counts.add("a camera/left")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_counts_survive_kill_9(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "captured"], timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL
    counts = CapturedCounts(tmp_path / "captured")
    assert counts.all() == {"a camera/left": 2000}
    counts.close()


def test_a_count_is_raised_and_never_lowered(tmp_path: Path) -> None:
    counts = CapturedCounts(tmp_path / "captured")
    counts.add("a")
    counts.raise_to({"a": 5, "b": 2})
    counts.raise_to({"a": 3})
    assert counts.all() == {"a": 5, "b": 2}
    counts.close()
    again = CapturedCounts(tmp_path / "captured")
    assert again.all() == {"a": 5, "b": 2}
    again.close()


def test_a_file_that_was_cut_short_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "captured").mkdir()
    (tmp_path / "captured" / "a").write_bytes(b"abc")
    counts = CapturedCounts(tmp_path / "captured")
    assert counts.all() == {"a": 0}
    counts.close()
    assert (tmp_path / "captured" / "a").stat().st_size == 8
