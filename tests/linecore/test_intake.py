from datetime import UTC, datetime
from threading import Event as Flag
from threading import Thread

from linecore.inspection import Frame
from linecore.intake import Arrival, Intake
from linecore.testing import PATIENCE_S


def arrival(number: int, source: str = "camera") -> Arrival:
    return Arrival(Frame(f"{source}/{number}", "test", source, number, datetime.now(UTC)), float(number), source)


def test_first_in_first_out() -> None:
    intake = Intake(2)
    first, second = arrival(0), arrival(1)
    assert intake.offer(first, "wait") is None
    assert intake.offer(second, "wait") is None
    assert intake.take() is first
    assert intake.take() is second


def test_waiting_for_room_holds_the_source_back() -> None:
    intake, waiting, done = Intake(1), Flag(), Flag()
    intake.offer(arrival(0), "wait")

    def offer() -> None:
        waiting.set()
        intake.offer(arrival(1), "wait")
        done.set()

    thread = Thread(target=offer)
    thread.start()
    assert waiting.wait(PATIENCE_S)
    assert not done.is_set()
    assert len(intake) == 1
    intake.take()
    thread.join(PATIENCE_S)
    assert done.is_set()


def test_newest_lets_the_sources_own_oldest_frame_go() -> None:
    intake = Intake(2)
    other, old, new = arrival(0, "folder"), arrival(0), arrival(1)
    intake.offer(other, "wait")
    intake.offer(old, "newest")
    assert intake.offer(new, "newest") is old
    assert intake.take() is other
    assert intake.take() is new


def test_a_backlog_of_others_cannot_keep_a_live_source_out() -> None:
    intake = Intake(1)
    intake.offer(arrival(0, "folder"), "wait")
    assert intake.offer(arrival(0), "newest") is None
    assert intake.offer(arrival(1), "newest") is not None
    assert len(intake) == 2


def test_closing_lets_a_waiting_source_go_and_takes_nothing_more() -> None:
    intake, waiting = Intake(1), Flag()
    intake.offer(arrival(0), "wait")

    def offer() -> None:
        waiting.set()
        intake.offer(arrival(1), "wait")

    thread = Thread(target=offer)
    thread.start()
    assert waiting.wait(PATIENCE_S)
    intake.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert len(intake) == 1


def test_a_closed_intake_gives_what_it_holds_and_then_none() -> None:
    intake = Intake(1)
    intake.offer(arrival(0), "wait")
    intake.close()
    assert intake.take() is not None
    assert intake.take() is None


def test_a_larger_intake_lets_a_waiting_source_in() -> None:
    intake, waiting = Intake(1), Flag()
    intake.offer(arrival(0), "wait")

    def offer() -> None:
        waiting.set()
        intake.offer(arrival(1), "wait")

    thread = Thread(target=offer)
    thread.start()
    assert waiting.wait(PATIENCE_S)
    intake.resize(2)
    thread.join(PATIENCE_S)
    assert len(intake) == 2


def test_a_verdict_is_claimed_once_and_so_is_a_record() -> None:
    one = arrival(0)
    assert [one.answer(), one.answer(), one.expire()] == [True, False, False]
    assert not one.expired
    assert [one.complete(), one.complete()] == [True, False]


def test_the_deadline_that_was_first_keeps_the_verdict() -> None:
    one = arrival(0)
    assert [one.expire(), one.answer(), one.expire()] == [True, False, False]
    assert one.expired
