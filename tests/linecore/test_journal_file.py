"""The journal's file: what was committed is there, whatever happens to the process or to the file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from linecore.journal_file import REMEMBERED, Entry, JournalFile
from linecore.packing import KINDS, Packed
from tests.linecore.deliveries import copied


def entries(first: int, last: int, *, size: int = 10, at: float = 1000.0) -> list[Entry]:
    return [
        Entry(seq, at + seq, Packed("inspection" if seq % 2 else "log", f"n{seq}", b"{}", bytes(size)))
        for seq in range(first, last + 1)
    ]


@contextmanager
def opened(path: Path | None) -> Iterator[JournalFile]:
    file = JournalFile(path)
    try:
        yield file
    finally:
        file.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def test_what_was_committed_is_in_a_copy_taken_before_it_was_closed(path: Path, tmp_path: Path) -> None:
    with opened(path) as file:
        with file.transaction():
            file.append(entries(1, 5))
            file.settle([(1, "n1")], 5)
            file.count({"camera": 3}, Counter({("camera", ""): 2}))
            file.move_cursors({"database": 2})
        with closing(copied(path, tmp_path / "killed")) as left:
            assert [row[0] for row in left.execute("SELECT seq FROM entry")] == [1, 2, 3, 4, 5]
            assert left.execute("SELECT * FROM cursor").fetchall() == [("database", 2)]
            assert left.execute("SELECT * FROM captured").fetchall() == [("camera", 3)]
    with opened(tmp_path / "killed" / path.name) as again:
        assert again.check() == ["ok"]
        assert again.last_seq() == 5
        assert again.settled() == ["n1"]
        assert again.counts() == ({"camera": 3}, Counter({("camera", ""): 2}))


def test_a_transaction_that_fails_leaves_nothing(path: Path) -> None:
    with opened(path) as file:
        with pytest.raises(ZeroDivisionError), file.transaction():
            file.append(entries(1, 5))
            raise ZeroDivisionError
        assert file.size() == (0, 0)
        with file.transaction():
            file.append(entries(1, 2))
        assert file.size()[0] == 2


def test_entries_are_read_in_order_up_to_a_number_and_a_size(path: Path) -> None:
    with opened(path) as file:
        with file.transaction():
            file.append(entries(1, 6, size=100))
        found, complete = file.read(2, 10, pixels=True, max_bytes=10**6)
        assert ([one.seq for one in found], complete) == ([3, 4, 5, 6], True)
        assert found[0].packed.pixels == bytes(100)
        assert file.read(2, 10, pixels=False, max_bytes=10**6)[0][0].packed.pixels is None
        found, complete = file.read(0, 10, pixels=True, max_bytes=1)
        assert ([one.seq for one in found], complete) == ([1], False)
        assert file.count_entries(0, 6, KINDS) == 6
        assert file.count_entries(1, 5, ["log"]) == 2


def test_the_oldest_are_found_that_are_too_many_or_too_old(path: Path) -> None:
    with opened(path) as file:
        assert file.oldest() is None
        with file.transaction():
            file.append(entries(1, 5, size=94))  # 98 bytes each with name and body
        assert file.size() == (5, 490)
        assert file.size(2) == (2, 196)
        assert file.oldest() == (1, 1001.0)
        assert file.oldest_beyond(0, 0) is None
        assert file.oldest_beyond(99, 0) == 2
        assert file.oldest_beyond(0, 1004.0) == 3
        with file.transaction():
            file.forget_up_to(4)
        assert file.oldest() == (5, 1005.0)


def test_settled_frames_are_remembered_for_long_but_not_for_ever(path: Path) -> None:
    with opened(path) as file:
        with file.transaction():
            file.settle([(1, "old"), (2, "new")], REMEMBERED + 1)
        assert file.settled() == ["new"]


def test_dead_letters_are_kept_until_they_are_raised(path: Path) -> None:
    with opened(path) as file:
        with file.transaction():
            for sink in ("a", "b"):
                file.bury(sink, 1.0, 3, "no", Packed("log", "n", b"{}"))
        assert file.dead_counts() == {"a": 1, "b": 1}
        (letter,) = file.dead("b")
        assert (letter.sink, letter.attempts, letter.error, letter.packed.name) == ("b", 3, "no", "n")
        with file.transaction():
            file.raise_dead([letter.id])
        assert [one.sink for one in file.dead()] == ["a"]


def test_a_second_opener_is_refused(path: Path) -> None:
    with opened(path), pytest.raises(sqlite3.OperationalError, match="locked"):
        JournalFile(path)


def test_what_is_no_journal_at_all_is_set_aside(path: Path) -> None:
    path.write_bytes(b"coffee" * 1000)
    with opened(path) as file:
        assert file.set_aside is not None
        assert file.set_aside.read_bytes().startswith(b"coffee")
        assert file.salvaged == 0
        with file.transaction():
            file.append(entries(1, 1))


def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_taken_over(path: Path) -> None:
    with opened(path) as file, file.transaction():
        file.append(entries(1, 400, size=2000))
        file.move_cursors({"database": 0})
        file.count({"camera": 400}, Counter({("camera", ""): 400}))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40_960] = bytes(40_960)
    path.write_bytes(content)
    with opened(path) as file:
        assert file.set_aside is not None
        assert 0 < file.salvaged < 400
        assert file.salvaged == file.size()[0]
        assert file.cursors() == {"database": 0}
        assert file.counts()[1] == Counter({("camera", ""): 400})
        assert file.check() == ["ok"]
    with opened(path) as file:
        assert file.set_aside is None


def test_a_full_disk_takes_nothing_of_a_transaction_and_the_next_one_where_there_is_room(path: Path) -> None:
    with opened(path) as file:
        pages = file._connection.execute("PRAGMA page_count").fetchone()[0]
        file._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(sqlite3.OperationalError, match="full"), file.transaction():
            file.append(entries(1, 50, size=4000))
        assert file.size() == (0, 0)
        file._connection.execute("PRAGMA max_page_count = 1000000")
        with file.transaction():
            file.append(entries(1, 50, size=4000))
        assert file.size()[0] == 50


def test_without_a_path_it_is_kept_in_memory() -> None:
    with opened(None) as file:
        with file.transaction():
            file.append(entries(1, 1))
        assert file.size()[0] == 1
        assert file.began.tzinfo is not None
