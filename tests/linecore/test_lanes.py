"""Lanes: in order, again and again, and one poisoned delivery holds up none of the others."""

from __future__ import annotations

from pathlib import Path
from threading import Event as Flag

import cv2
import pytest

from linecore.errors import ConnectionFailedError
from linecore.events import DeliveriesDropped, DeliveryRefused, SinkFailed, SinkRecovered, SinkStalled
from linecore.journal import Journal
from linecore.lanes import BATCH, BREAKER
from linecore.packing import ALARM, INSPECTION, LOG
from linecore.testing import PATIENCE_S, grey
from tests.linecore.deliveries import Events, Held, Told, Took, entry, journal_at, lane_to, put
from tests.plugins.inspections import alarm, inspection


def ids(*numbers: int) -> list[str]:
    return [f"line-1/folder/{number}" for number in numbers]


def fill(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        put(journal, inspection(number))


def hold(sink: Took) -> tuple[Flag, Flag]:
    """Let the sink wait in its first batch; return what is set when it is in there, and what lets it go on."""
    entered, go = Flag(), Flag()

    def before(_batch: list[str]) -> None:
        entered.set()
        assert go.wait(PATIENCE_S)

    sink.before = before
    return entered, go


def test_what_waits_is_delivered_in_batches_and_in_order() -> None:
    sink = Took()
    entered, go = hold(sink)
    with journal_at(None) as journal, lane_to(sink, journal):
        journal.start()
        fill(journal, 0)
        assert entered.wait(PATIENCE_S)
        fill(journal, *range(1, BATCH + 50))
        assert journal.wait_until_written(PATIENCE_S)
        go.set()
        sink.wait_for(lambda it: len(it.taken) == BATCH + 50)
    assert sink.taken == ids(*range(BATCH + 50))
    assert max(len(batch) for batch in sink.batches) <= BATCH


def test_an_alarm_keeps_its_place_and_what_a_sink_does_not_take_is_passed_over() -> None:
    sink = Took([INSPECTION, ALARM])
    with journal_at(None) as journal, lane_to(sink, journal) as lane:
        journal.start()
        fill(journal, 1)
        journal.append(entry(1))
        journal.append(alarm())
        fill(journal, 2)
        journal.append(entry(2))
        sink.wait_for(lambda it: len(it.taken) == 3)
        assert lane.state.waiting in (0, 1)  # the last one is counted off in a moment
    assert sink.taken == [*ids(1), alarm().id, *ids(2)]
    assert lane.state.waiting == 0
    assert lane.cursor == 5


def test_a_lane_goes_on_after_a_restart_where_its_sink_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    away = Took()

    def refuse(_batch: list[str]) -> None:
        raise ConnectionRefusedError("nobody there")

    away.before = refuse
    with journal_at(path) as journal:
        with lane_to(away, journal) as lane:
            journal.start()
            fill(journal, *range(5))
            assert journal.wait_until_written(PATIENCE_S)
        assert lane.state.waiting == 5
        assert lane.dropped == 0
    sink = Took()
    with journal_at(path) as journal, lane_to(sink, journal) as lane:
        journal.start()
        fill(journal, 5)
        sink.wait_for(lambda it: len(it.taken) == 6)
    assert sink.taken == ids(*range(6))
    assert lane.state.waiting == 0
    assert lane.state.state == "idle"


def test_what_does_not_fit_into_memory_waits_in_the_journal_and_keeps_its_order(tmp_path: Path) -> None:
    sink = Took()
    entered, go = hold(sink)
    with journal_at(tmp_path / "journal.sqlite3") as journal, lane_to(sink, journal, bytes=20_000) as lane:
        journal.start()
        fill(journal, 0)
        assert entered.wait(PATIENCE_S)
        fill(journal, *range(1, 250))
        assert journal.wait_until_written(PATIENCE_S)
        assert lane._queue_bytes <= 20_000
        go.set()
        fill(journal, *range(250, 300))
        sink.wait_for(lambda it: len(it.taken) == 300)
    assert sink.taken == ids(*range(300))
    assert lane.state.waiting == 0
    assert all(one.buffered for one in sink.inspections if one.completed_at < inspection().completed_at)


def test_pictures_come_back_from_the_journal_decoded(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    picture = grey(7)
    with journal_at(path) as journal:
        held = Held("sink")
        journal.add_lane(held)
        journal.start()
        put(journal, inspection(1, image=picture, encoded=cv2.imencode(".png", picture)[1].tobytes()))
        held.wait_for(lambda it: len(it.offered) == 1)
    sink = Took()
    with journal_at(path) as journal, lane_to(sink, journal):
        journal.start()
        sink.wait_for(lambda it: len(it.inspections) == 1)
    assert (sink.inspections[0].frame.image == picture).all()
    assert sink.inspections[0].buffered


def test_a_sink_that_is_away_is_asked_again_until_it_is_back() -> None:
    sink, events, told = Took(), Events(), Told()
    tries = 0

    def away_at_first(_batch: list[str]) -> None:
        nonlocal tries
        tries += 1
        if tries <= BREAKER:
            raise ConnectionFailedError("no route") if tries % 2 else OSError("gone")

    sink.before = away_at_first
    with journal_at(None) as journal, lane_to(sink, journal, events, told, attempts=1) as lane:
        journal.start()
        fill(journal, 0, 1, 2)
        told.wait_for(lambda it: len(it.troubles) == 1)
        assert lane.state.state == "away"
        sink.wait_for(lambda it: len(it.taken) == 3)
        told.wait_for(lambda it: it.troubles[-1] == ("sink sink is away", None))
        assert len(sink.batches[0]) == 1  # the probe
    assert sink.taken == ids(0, 1, 2)
    assert journal_has_no_dead_letters(events)
    failed = [event for event in events.of(SinkFailed) if isinstance(event, SinkFailed)]
    assert [event.attempt for event in failed] == list(range(1, BREAKER + 1))
    assert 0 < failed[0].retry_s < failed[-1].retry_s
    assert events.of(SinkRecovered)


def journal_has_no_dead_letters(events: Events) -> bool:
    return not events.of(DeliveryRefused, DeliveriesDropped)


def test_one_poisoned_delivery_is_found_and_buried_while_the_others_pass(tmp_path: Path) -> None:
    sink, events = Took(), Events()

    def refuse(batch: list[str]) -> None:
        if ids(3)[0] in batch:
            raise ValueError("no such label")

    sink.before = refuse
    with journal_at(tmp_path / "journal.sqlite3") as journal, lane_to(sink, journal, events, attempts=2) as lane:
        fill(journal, *range(7))
        journal.append(entry(1))
        journal.start()
        sink.wait_for(lambda it: len(it.taken) == 7)
        (letter,) = journal.dead("sink")
        assert letter.packed.name == ids(3)[0]
        assert letter.error == "ValueError: no such label"
        assert lane.state.dead == 1
    assert sink.taken == [*ids(0, 1, 2, 4, 5, 6), entry(1).id]
    assert [event.name for event in events.of(DeliveryRefused) if isinstance(event, DeliveryRefused)] == ids(3)
    assert lane.state.waiting == 0


def test_a_sink_that_refuses_every_inspection_keeps_all_though_it_takes_log_entries() -> None:
    sink, events = Took(), Events()
    tries = Flag()
    count = 0

    def refuse(batch: list[str]) -> None:
        nonlocal count
        if "log" not in batch[0]:
            count += 1
            if count > 7:
                tries.set()
            raise ValueError("no such table")

    sink.before = refuse
    with journal_at(None) as journal, lane_to(sink, journal, events, attempts=1) as lane:
        fill(journal, 0, 1)
        journal.append(entry(1))
        journal.start()
        assert tries.wait(PATIENCE_S)
        assert journal_has_no_dead_letters(events)
    assert lane.state.waiting == 3
    assert journal_has_no_dead_letters(events)


def test_a_poisoned_inspection_is_found_though_a_log_entry_stands_between_it_and_the_next() -> None:
    sink = Took()

    def refuse(batch: list[str]) -> None:
        if ids(0)[0] in batch:
            raise ValueError("no such label")

    sink.before = refuse
    with journal_at(None) as journal, lane_to(sink, journal, attempts=1) as lane:
        fill(journal, 0)
        journal.append(entry(1))
        fill(journal, 1)
        journal.start()
        sink.wait_for(lambda it: entry(1).id in it.taken and it.taken.index(entry(1).id) < len(it.taken) - 1)
        assert [one.packed.name for one in journal.dead("sink")] == ids(0)
    assert sink.taken == [*ids(1), entry(1).id, *ids(1)]  # the proof came early, and keeps its place all the same
    assert lane.state.waiting == 0


def test_a_sink_that_does_not_return_loses_its_turn_and_gets_smaller_batches() -> None:
    sink, events = Took(), Events()
    let_go = Flag()
    tried: list[int] = []

    def slow(batch: list[str]) -> None:
        tried.append(len(batch))
        while len(batch) > 2 and not let_go.wait(0.005):
            pass

    sink.before = slow
    with journal_at(None) as journal, lane_to(sink, journal, events, timeout_s=0.3) as lane:
        fill(journal, *range(8))
        journal.start()
        sink.wait_for(lambda it: len(it.taken) >= 8)
        let_go.set()
    assert tried[:3] == [8, 4, 2]
    assert sink.taken == ids(*range(8))
    assert events.of(SinkStalled)
    assert journal_has_no_dead_letters(events)
    assert lane.state.left_behind == 0


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_a_sink_that_wants_to_exit_gets_the_same_again(error: BaseException) -> None:
    sink = Took()
    first = True

    def exits(_batch: list[str]) -> None:
        nonlocal first
        if first:
            first = False
            raise error

    sink.before = exits
    with journal_at(None) as journal, lane_to(sink, journal):
        journal.start()
        fill(journal, 0)
        sink.wait_for(lambda it: it.taken == ids(0))


def test_what_is_beyond_the_limits_is_counted_as_lost_and_the_rest_as_waiting(tmp_path: Path) -> None:
    sink, events = Took(), Events()

    def away(_batch: list[str]) -> None:
        raise OSError("away")

    sink.before = away
    with journal_at(tmp_path / "journal.sqlite3") as journal, lane_to(sink, journal, events) as lane:
        journal.start()
        fill(journal, *range(10))
        events.wait_for(SinkFailed)
        with lane._changed:
            assert lane._changed.wait_for(lambda: lane.state.waiting == 10, PATIENCE_S)
        lane.let_go(4, "the journal is full")
        assert lane.dropped == 4
        events.wait_for(DeliveriesDropped)
        assert lane.state.waiting == 6
        sink.before = lambda _batch: None
        sink.wait_for(lambda it: len(it.taken) == 6)
    assert sink.taken == ids(4, 5, 6, 7, 8, 9)
    assert lane.state.waiting == 0


def test_a_lane_without_its_place_in_the_journal_reads_what_it_was_not_offered(tmp_path: Path) -> None:
    sink = Took()
    with journal_at(tmp_path / "journal.sqlite3") as journal, lane_to(sink, journal) as lane:
        fill(journal, 0, 1, 2)
        lane.offer(3, inspection(2))  # one and two were never offered
        sink.wait_for(lambda it: len(it.taken) == 3)
        journal.start()
    assert sink.taken == ids(0, 1, 2)


def test_a_damaged_entry_is_counted_as_lost_and_the_next_ones_are_delivered(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with journal_at(path) as journal:
        held = Held("sink")
        journal.add_lane(held)
        journal.start()
        fill(journal, 1, 2, 3)
        held.wait_for(lambda it: len(it.offered) == 3)
        with journal.file.transaction():
            journal.file._connection.execute("UPDATE entry SET body = x'00ff' WHERE seq = 2")
    sink, events = Took(), Events()
    with journal_at(path) as journal, lane_to(sink, journal, events) as lane:
        journal.start()
        sink.wait_for(lambda it: len(it.taken) == 2)
    assert sink.taken == ids(1, 3)
    assert lane.dropped == 1
    assert lane.state.waiting == 0
    assert events.of(DeliveriesDropped) == [DeliveriesDropped("sink", 1, "they are damaged in the journal")]


def test_another_sink_of_the_same_name_goes_on_and_gets_the_kinds_that_it_takes() -> None:
    first, second = Took([INSPECTION]), Took([INSPECTION, LOG])
    away = Flag()

    def refuse(_batch: list[str]) -> None:
        away.set()
        raise OSError("away")

    first.before = refuse
    with journal_at(None) as journal, lane_to(first, journal) as lane:
        journal.start()
        fill(journal, 0)
        journal.append(entry(1))
        fill(journal, 1)
        assert journal.wait_until_written(PATIENCE_S)
        assert away.wait(PATIENCE_S)
        lane.use(second)
        second.wait_for(lambda it: len(it.taken) == 3)
    assert second.taken == [*ids(0), entry(1).id, *ids(1)]
    assert first.taken == []
    assert lane.state.waiting == 0
