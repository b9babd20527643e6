"""The folder source's memory survives a restart, and forgets what is gone for good."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linecore.errors import ConnectionFailedError
from linecore_plugins.folder.memory import FORGET_AFTER, SettledFiles

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def test_what_was_settled_is_known_after_a_restart(tmp_path: Path) -> None:
    with closing(SettledFiles(tmp_path / "memory")) as memory:
        memory.add("a@1")
        memory.add("a@1")
    with closing(SettledFiles(tmp_path / "memory")) as memory:
        assert memory.keys() == {"a@1"}
        assert "a@1" in memory
        assert "a@2" not in memory


def test_a_file_that_stays_away_is_forgotten(tmp_path: Path) -> None:
    with closing(SettledFiles(tmp_path / "memory")) as memory:
        for key in ("stays", "goes"):
            memory.add(key)
        memory.forget_missing({"stays"}, NOON)
        assert memory.keys() == {"stays", "goes"}
        memory.forget_missing({"stays"}, NOON + FORGET_AFTER)
        assert memory.keys() == {"stays"}


def test_a_share_that_was_away_for_a_moment_is_not_forgotten(tmp_path: Path) -> None:
    with closing(SettledFiles(tmp_path / "memory")) as memory:
        memory.add("a")
        memory.forget_missing(set(), NOON)
        memory.forget_missing({"a"}, NOON + FORGET_AFTER / 2)
        memory.forget_missing(set(), NOON + FORGET_AFTER + timedelta(seconds=1))
        assert memory.keys() == {"a"}


def test_a_memory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "memory").write_bytes(b"no database at all, but long enough to be taken for the head of one" * 10)
    with pytest.raises(ConnectionFailedError, match="cannot be used: file is not a database; move it away"):
        SettledFiles(tmp_path / "memory")
    with pytest.raises(ConnectionFailedError, match="cannot be opened"):
        SettledFiles(tmp_path / "missing" / "memory")
