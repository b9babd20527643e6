from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import StatementError

from linecore_db.columns import clean, finite, fitted, prose, utc
from linecore_db.schema import DroppedFrameRow

ANY_TEXT = st.text(st.characters(), max_size=300)  # surrogates and NUL too


def drop(frame_id: str, at: datetime) -> dict[str, object]:
    words = {"frame_id": frame_id, "line": "l", "source": "s", "sequence": 0, "reason": "late"}
    return {**words, "captured_at": at, "dropped_at": at}


def test_times_come_back_in_utc_with_microseconds(history: Engine) -> None:
    written = datetime(2026, 3, 29, 2, 30, 0, 123457, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    with history.begin() as connection:
        connection.execute(insert(DroppedFrameRow), [drop("a", written)])
    with history.connect() as connection:
        (read,) = connection.scalars(select(DroppedFrameRow.dropped_at)).all()
        in_sql = select(DroppedFrameRow.id).where(DroppedFrameRow.dropped_at == written.astimezone(UTC))
        assert len(connection.scalars(in_sql).all()) == 1
    assert read == written
    assert read.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(history: Engine) -> None:
    with pytest.raises(StatementError, match="has no time zone"), history.begin() as connection:
        connection.execute(insert(DroppedFrameRow), [drop("a", datetime(2026, 3, 1))])


@given(ANY_TEXT, st.integers(30, 255))
def test_text_is_fitted_into_any_column(text: str, length: int) -> None:
    stored = fitted(text, length)
    assert len(stored) <= length
    assert "\0" not in stored
    assert stored.encode("utf-8").decode("utf-8") == stored
    assert not stored.endswith(" ")


@given(ANY_TEXT, ANY_TEXT)
def test_different_ids_stay_different(one: str, other: str) -> None:
    assert (fitted(one, 60) == fitted(other, 60)) == (one == other)


def test_what_fits_stays_as_it_is() -> None:
    assert fitted("hot-strip-1/camera/Größe 7.jpg", 120) == "hot-strip-1/camera/Größe 7.jpg"
    assert prose("plain") == "plain"
    assert prose(None) is None


def test_what_does_not_fit_is_still_recognised() -> None:
    assert fitted("coil " * 100, 60).startswith("coil coil coil")
    assert clean("a\0b\udcff") == r"a\x00b\udcff"
    assert fitted("line/folder/b\udcff.jpg", 255).startswith(r"line/folder/b\udcff.jpg~")
    assert len(prose("x" * 100_000) or "") == 8000


@pytest.mark.parametrize(("number", "stored"), [(0.5, 0.5), (float("nan"), None), (float("-inf"), None), (None, None)])
def test_only_finite_numbers_are_stored(number: float | None, stored: float | None) -> None:
    assert finite(number) == stored


def test_a_time_beyond_the_calendar_does_not_stop_the_history() -> None:
    edge = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
    assert utc(edge) == datetime.min.replace(tzinfo=UTC)
    assert utc(datetime(2026, 3, 1, 12)) == datetime(2026, 3, 1, 12, tzinfo=UTC)
