from datetime import UTC, datetime, timedelta

import pytest

from linecore.inspection import Part
from linecore_db.options import parse_age, parse_moment, parse_part

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
        ("2026-02-28T06:00", datetime(2026, 2, 28, 6, tzinfo=UTC)),
        ("2026-02-28 06:00:01.5", datetime(2026, 2, 28, 6, 0, 1, 500_000, tzinfo=UTC)),
        ("2026-02-28T06:00Z", datetime(2026, 2, 28, 6, tzinfo=UTC)),
        ("2026-02-28T06:00+02:00", datetime(2026, 2, 28, 4, tzinfo=UTC)),
    ],
)
def test_a_time_is_iso_or_how_long_ago(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment
    assert parse_moment(text, NOW).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2", "2 h", "-2h", "2026-13-01", "999999999w", "0001-01-01T00:00+05:00"]
)
def test_what_is_no_time_gets_a_wish(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write 2h, 7d, "):
        parse_moment(text, NOW)


def test_a_part_is_named_by_keys_and_values() -> None:
    assert parse_part([]) == Part()
    assert parse_part(["coil=C=1", "side=top"]) == Part(coil="C=1", side="top")
    named = parse_part(["serial=1", "lot=2", "order=3", "tray=4", "coil=5", "side=6"])
    assert named == Part("1", "2", "3", "4", "5", "6")


@pytest.mark.parametrize("text", ["C-4711", "metre=3", "=x", ""])
def test_what_names_no_part_gets_a_wish(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no part; write one of serial=\.\.\., lot="):
        parse_part([text])


def test_an_age_is_so_long_or_for_ever() -> None:
    assert parse_age("90s") == timedelta(seconds=90)
    assert parse_age("1.5d") == timedelta(hours=36)
    assert parse_age("forever") is None
    for text in ("", "30", "d", "-1d", "never", "999999999w"):
        with pytest.raises(ValueError, match="is no age; write 12h, 30d, 52w or forever"):
            parse_age(text)
