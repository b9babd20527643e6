from datetime import timedelta

from sqlalchemy import Engine

from linecore_db.holds import hold, holds, release
from tests.db.inspections import NOON


def test_a_hold_tells_who_when_and_why(history: Engine) -> None:
    assert hold(history, "lot", "L7", by="me", note="complaint 4711", now=NOON)
    (kept,) = holds(history)
    assert (kept.part, kept.value, kept.held_by, kept.note, kept.held_at) == ("lot", "L7", "me", "complaint 4711", NOON)
    assert (kept.released_at, kept.released_by) == (None, None)


def test_what_is_held_is_held_once(history: Engine) -> None:
    assert hold(history, "lot", "L7", by="me", note=None, now=NOON)
    assert not hold(history, "lot", "L7", by="you", note="again", now=NOON)
    assert hold(history, "coil", "L7", by="you", note=None, now=NOON)
    assert [(each.part, each.held_by) for each in holds(history)] == [("lot", "me"), ("coil", "you")]


def test_a_release_is_kept_and_what_was_released_may_be_held_again(history: Engine) -> None:
    hold(history, "lot", "L7", by="me", note=None, now=NOON)
    later = NOON + timedelta(days=1)
    assert release(history, "lot", "L7", by="you", now=later)
    assert not release(history, "lot", "L7", by="you", now=later)
    assert holds(history) == []
    assert hold(history, "lot", "L7", by="me", note=None, now=later)
    first, second = holds(history, released=True)
    assert (first.released_by, first.released_at, second.released_at) == ("you", later, None)


def test_a_name_of_any_length_can_be_held(history: Engine) -> None:
    long = "L" * 500
    assert hold(history, "lot", long, by="me " * 100, note="why " * 5000, now=NOON)
    assert release(history, "lot", long, by="me", now=NOON)
