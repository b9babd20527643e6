from datetime import timedelta

import pytest
from sqlalchemy import Engine

from linecore.log import DROPPED, LogEntry
from linecore_db.log_queries import LogFilter, find_log
from linecore_db.recording import record_log
from linecore_db.schema import Detail
from tests.db.inspections import NOON


def drop(number: int, line: str = "a") -> LogEntry:
    at = NOON + timedelta(seconds=number)
    detail: Detail = {
        "frame_id": f"{line}/s/{number}",
        "sequence": number,
        "captured_at": at.isoformat(),
        "reason": "late",
    }
    return LogEntry(f"drop {number}", line, at, DROPPED, "...", "s", detail)


def gap(number: int, line: str = "a") -> LogEntry:
    return LogEntry(f"gap {number}", line, NOON + timedelta(seconds=number), "sequence gap", f"gap {number}", "s")


@pytest.fixture
def filled(history: Engine) -> Engine:
    """Drops at 0, 2, 4 and gaps at 1, 3, 5 seconds; the last two of line b."""
    record_log(history, [drop(0), gap(1), drop(2), gap(3), drop(4, "b"), gap(5, "b")])
    return history


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [
        (LogFilter(), [5, 4, 3, 2, 1, 0]),
        (LogFilter(line="b"), [5, 4]),
        (LogFilter(source="s", line="a"), [3, 2, 1, 0]),
        (LogFilter(source="t"), []),
        (LogFilter(kind=DROPPED), [4, 2, 0]),
        (LogFilter(kind="sequence gap"), [5, 3, 1]),
        (LogFilter(since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=4)), [3, 2]),
    ],
)
@pytest.mark.parametrize("page", [1, 1000])
def test_a_filter_finds_entries_and_drops_in_the_order_of_time(
    filled: Engine, wanted: LogFilter, seconds: list[int], page: int
) -> None:
    def found(*, oldest_first: bool) -> list[int]:
        entries = find_log(filled, wanted, page=page, oldest_first=oldest_first)
        return [(entry.at - NOON).seconds for entry in entries]

    assert found(oldest_first=False) == seconds
    assert found(oldest_first=True) == seconds[::-1]


def test_a_limit_ends_it(filled: Engine) -> None:
    assert [entry.kind for entry in find_log(filled, LogFilter(), limit=2)] == ["sequence gap", DROPPED]


def test_a_drop_comes_back_with_what_is_known_of_its_frame(filled: Engine) -> None:
    (entry,) = find_log(filled, LogFilter(kind=DROPPED, line="b"))
    assert entry.message == "b/s/4 was dropped: late"
    assert entry.detail == drop(4, "b").detail


def test_entries_of_one_instant_are_all_found(history: Engine) -> None:
    record_log(history, [LogEntry(f"{number:02}", "a", NOON, "kind", "...") for number in range(7)])
    assert [entry.id for entry in find_log(history, LogFilter(), page=2, oldest_first=True)] == [
        f"{number:02}" for number in range(7)
    ]
