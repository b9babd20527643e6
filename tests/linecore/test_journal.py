"""The journal: nothing is called safe before it is on the disk, and nothing is forgotten before every sink has it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linecore.captured import CapturedCounts
from linecore.clock import SystemClock
from linecore.inspection import Explanation, Inspection
from linecore.intake import Arrival
from linecore.journal import Journal
from linecore.journal_file import JournalFile
from linecore.journal_settings import JournalSettings
from linecore.packing import KINDS, LOG, name_of
from linecore.testing import PATIENCE_S, grey
from tests.linecore.deliveries import MEGABYTE, Held, Told, copied, entry, journal_at, put
from tests.plugins.inspections import alarm, inspection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def ids(*numbers: int) -> list[str]:
    return [f"line-1/folder/{number}" for number in numbers]


def names(lane: Held) -> list[str]:
    return [name_of(delivery) for _, delivery in lane.offered]


def fill(journal: Journal) -> None:
    """Let SQLite say that the disk is full."""
    pages = journal.file._connection.execute("PRAGMA page_count").fetchone()[0]
    journal.file._connection.execute(f"PRAGMA max_page_count = {pages}")


def make_room(journal: Journal) -> None:
    journal.file._connection.execute("PRAGMA max_page_count = 1000000")


def test_a_source_is_told_once_its_frame_is_on_the_disk(path: Path, tmp_path: Path) -> None:
    on_disk: list[list[str]] = []

    class Looks(Told):
        def settle(self, arrival: Arrival) -> None:
            with closing(copied(path, tmp_path / f"at {len(on_disk)}")) as left:
                on_disk.append([row[0] for row in left.execute("SELECT name FROM entry")])
            super().settle(arrival)

    told = Looks()
    with journal_at(path, told) as journal:
        journal.add_lane(Held("database"))
        journal.start()
        put(journal, inspection(1))
        told.wait_for(lambda it: it.settled == ids(1))
        put(journal, inspection(2))
        told.wait_for(lambda it: it.settled == ids(1, 2))
    assert on_disk == [ids(1), ids(1, 2)]


def test_every_lane_is_offered_everything_in_order(path: Path) -> None:
    lanes = [Held("a"), Held("b", [LOG])]
    with journal_at(path) as journal:
        for lane in lanes:
            journal.add_lane(lane)
        journal.start()
        put(journal, inspection(1))
        journal.append(alarm())
        journal.append(entry(2))
        put(journal, inspection(3))
        for lane in lanes:
            lane.wait_for(lambda it: len(it.offered) == 4)
            assert [seq for seq, _ in lane.offered] == [1, 2, 3, 4]
            assert names(lane) == [*ids(1), alarm().id, entry(2).id, *ids(3)]


def test_what_every_sink_has_is_removed_and_the_rest_is_there_after_a_restart(path: Path) -> None:
    with journal_at(path) as journal:
        fast, slow = Held("fast"), Held("slow")
        for lane in (fast, slow):
            journal.add_lane(lane)
        journal.start()
        for number in range(1, 6):
            put(journal, inspection(number))
        slow.wait_for(lambda it: len(it.offered) == 5)
        fast.cursor, slow.cursor = 5, 2
        journal.strike_off()
    with journal_at(path) as journal:
        fast, slow, new = Held("fast"), Held("slow"), Held("new")
        for lane in (fast, slow, new):
            journal.add_lane(lane)
        assert [(lane.cursor, lane.last, lane.owed) for lane in (fast, slow, new)] == [(5, 5, 0), (2, 5, 3), (5, 5, 0)]
        found = journal.read(2, 10, pixels=True, max_bytes=MEGABYTE)
        assert [(seq, name_of(one)) for seq, one in found if one] == list(zip((3, 4, 5), ids(3, 4, 5), strict=True))
        assert journal.state.entries == 3


def test_without_any_sink_a_frame_is_safe_and_nothing_is_kept(path: Path) -> None:
    told = Told()
    with journal_at(path, told) as journal:
        journal.start()
        put(journal, inspection(1))
        told.wait_for(lambda it: it.settled == ids(1))
        assert journal.state.entries == 0
        assert journal.is_settled(ids(1)[0])


def test_what_was_settled_is_known_after_a_restart_and_counted_once(path: Path) -> None:
    with journal_at(path) as journal:
        journal.add_lane(Held("database"))
        journal.start()
        put(journal, inspection(1))
        put(journal, inspection(key="\udcff"))
        journal.append(entry(1), counts_as=("folder", "overtaken"))
        assert journal.wait_until_written(PATIENCE_S)
    with journal_at(path) as journal:
        assert journal.is_settled(ids(1)[0])
        assert journal.is_settled("line-1/folder/\udcff")
        assert not journal.is_settled(entry(1).id)
        assert journal.file.counts()[1] == Counter({("folder", ""): 2, ("folder", "overtaken"): 1})


def test_a_full_disk_delivers_from_memory_settles_what_sinks_hold_and_writes_the_rest_when_there_is_room(
    path: Path,
) -> None:
    told, lane = Told(), Held("database")
    with journal_at(path, told) as journal:
        journal.add_lane(lane)
        journal.start()
        fill(journal)
        for number in (1, 2, 3):
            put(journal, inspection(number, image=grey(1, 200, 200)))
        told.wait_for(lambda it: len(it.troubles) == 1)
        assert told.troubles[0][0] == "journal cannot be written"
        assert "make room on its disk" in str(told.troubles[0][1])
        lane.wait_for(lambda it: len(it.offered) == 3)
        assert told.settled == []
        assert journal.state.trouble is not None

        lane.cursor = 2
        journal.strike_off()
        told.wait_for(lambda it: it.settled == ids(1, 2))

        make_room(journal)
        told.wait_for(lambda it: it.settled == ids(1, 2, 3))
        told.wait_for(lambda it: it.troubles[-1] == ("journal cannot be written", None))
        assert names(lane) == ids(1, 2, 3)  # each once
    with closing(JournalFile(path)) as file:
        assert file.size()[0] == 1
        assert file.counts()[1] == Counter({("folder", ""): 3})


def test_closing_on_a_full_disk_settles_what_sinks_hold_and_nothing_else(path: Path) -> None:
    told, lane = Told(), Held("database")
    with journal_at(path, told) as journal:
        journal.add_lane(lane)
        journal.start()
        fill(journal)
        put(journal, inspection(1, image=grey(1, 200, 200)))
        put(journal, inspection(2, image=grey(1, 200, 200)))
        lane.wait_for(lambda it: len(it.offered) == 2)
        lane.cursor = 1
    assert told.settled == ids(1)


def test_a_full_disk_and_a_full_memory_hold_inspections_back_and_leave_log_entries_out(path: Path) -> None:
    told, lane = Told(), Held("database")
    big = inspection(1, image=grey(1, 200, 200), explained=False)
    with journal_at(path, told, memory_bytes=big.nbytes + 4096) as journal:
        journal.add_lane(lane)
        journal.start()
        fill(journal)
        put(journal, big)
        told.wait_for(lambda it: len(it.troubles) == 1)
        assert journal.is_full_for(inspection(2, image=grey(1, 200, 200)))
        for number in range(100):
            journal.append(entry(number), counts_as=("camera", "overtaken"))
        assert journal.state.unwritten < 10
        put_beyond = inspection(3, image=grey(1, 200, 200))
        journal.append(put_beyond, wait=False)
        make_room(journal)
        told.wait_for(lambda it: it.troubles[-1][1] is None)
        assert journal.wait_until_written(PATIENCE_S)
        journal.strike_off()
    with closing(JournalFile(path)) as file:
        assert file.counts()[1] == Counter({("folder", ""): 1, ("camera", "overtaken"): 100})


def test_beyond_its_limits_the_oldest_is_let_go_after_an_alarm(path: Path) -> None:
    told, lane = Told(), Held("database")
    with journal_at(path, told, settings=JournalSettings(max_mb=1)) as journal:
        journal.add_lane(lane)
        journal.start()
        for number in range(1, 15):
            put(journal, inspection(number, image=grey(1, 300, 300), explained=False))
        lane.wait_for(lambda it: bool(it.gone))
        assert told.troubles[0][0] == "journal is filling"
        assert "waiting for database" in str(told.troubles[0][1])
        assert lane.gone[-1][1] == "the journal is full"
        assert journal.wait_until_written(PATIENCE_S)
        assert journal.dead() == []  # waits for the cursor to be on disk
        assert journal.state.bytes <= MEGABYTE
        lane.cursor = 14
        journal.strike_off()
        told.wait_for(lambda it: it.troubles[-1] == ("journal is filling", None))


def test_what_waits_for_too_long_is_let_go(path: Path) -> None:
    lane = Held("database")
    with journal_at(path, settings=JournalSettings(max_age_h=1e-9)) as journal:
        journal.add_lane(lane)
        journal.start()
        put(journal, inspection(1))
        lane.wait_for(lambda it: bool(it.gone))
        assert lane.gone[0][0] == 1


def test_sinks_that_the_line_no_longer_has_are_forgotten_with_what_waited_for_them(path: Path) -> None:
    with journal_at(path) as journal:
        old = Held("old")
        journal.add_lane(old)
        journal.start()
        for number in range(3):
            put(journal, inspection(number))
        old.wait_for(lambda it: len(it.offered) == 3)
    with journal_at(path) as journal:
        journal.add_lane(Held("new"))
        assert journal.forget_strangers() == {"old": 3}
        journal.start()
    with closing(JournalFile(path)) as file:
        assert file.cursors() == {"new": 3}
        assert file.size()[0] == 0


@pytest.mark.parametrize(
    ("policy", "reason"),
    [("newest", "lost when the line ended"), ("wait", "given back when the line ended")],
)
def test_frames_that_a_killed_run_had_on_their_way_are_booked(path: Path, policy: str, reason: str) -> None:
    counts = CapturedCounts(None)
    for _ in range(5):
        counts.add("camera")
    with journal_at(path, captured=counts.all) as journal:
        journal.start()
        journal.append(entry(1), counts_as=("camera", "overtaken"))
        assert journal.wait_until_written(PATIENCE_S)
    with journal_at(path, captured=counts.all) as journal:
        journal.start()
        assert journal.book_interrupted(counts, lambda _source: policy) == {"camera": 4}
    with journal_at(path, captured=counts.all) as journal:
        assert journal.book_interrupted(counts, lambda _source: policy) == {}
        assert journal.file.counts() == ({"camera": 5}, Counter({("camera", "overtaken"): 1, ("camera", reason): 4}))
    counts.close()


def test_counts_that_were_lost_with_the_power_are_at_least_what_was_recorded(path: Path) -> None:
    with journal_at(path) as journal:
        journal.start()
        put(journal, inspection(1))
        assert journal.wait_until_written(PATIENCE_S)
    counts = CapturedCounts(None)
    with journal_at(path, captured=counts.all) as journal:
        assert journal.book_interrupted(counts, lambda _source: "wait") == {}
        assert counts.all() == {"folder": 1}
    counts.close()


def test_a_dead_letter_is_on_disk_and_can_be_raised(path: Path) -> None:
    with journal_at(path) as journal:
        lane = Held("database")
        journal.add_lane(lane)
        journal.start()
        put(journal, inspection(1))
        lane.wait_for(lambda it: len(it.offered) == 1)
        journal.bury("database", 1, inspection(1), 13, "no such column")
        lane.cursor = 1
        (letter,) = journal.dead("database")
        assert (letter.packed.name, letter.attempts, letter.error) == (ids(1)[0], 13, "no such column")
        journal.raise_dead([letter.id])
        assert journal.dead() == []


def test_a_delivery_that_cannot_be_written_costs_its_pictures_and_not_the_line(path: Path) -> None:
    told, lane = Told(), Held("database")
    wrong: Any = "no map"
    with journal_at(path, told) as journal:
        journal.add_lane(lane)
        journal.start()
        broken = inspection(1, explained=False)
        explained = Explanation(grey().astype("float32"), wrong, wrong, regions=wrong)
        put(journal, replace(broken, explanation=explained))
        put(journal, inspection(2))
        told.wait_for(lambda it: it.settled == ids(1, 2))
    with journal_at(path) as journal:
        found = journal.read(0, 10, pixels=True, max_bytes=MEGABYTE)
        assert [name_of(one) for _, one in found if one is not None] == ids(1, 2)


def test_an_entry_that_is_damaged_is_told_apart_from_those_around_it(path: Path) -> None:
    with journal_at(path) as journal:
        journal.add_lane(Held("database"))
        journal.start()
        for number in (1, 2, 3):
            put(journal, inspection(number))
        assert journal.wait_until_written(PATIENCE_S)
        with journal.file.transaction():
            journal.file._connection.execute("UPDATE entry SET body = x'00ff' WHERE seq = 2")
        found = journal.read(0, 10, pixels=True, max_bytes=MEGABYTE)
        assert [one and name_of(one) for _, one in found] == [ids(1)[0], None, ids(3)[0]]


def test_what_waits_is_counted_by_kind_and_number(path: Path) -> None:
    with journal_at(path) as journal:
        journal.add_lane(Held("database"))
        put(journal, inspection(1))
        journal.append(entry(2))
        assert journal.count(0, 2, KINDS) == 2  # not yet on disk
        journal.start()
        assert journal.wait_until_written(PATIENCE_S)
        journal.append(entry(3))
        assert journal.count(0, 3, KINDS) == 3
        assert journal.count(1, 2, [LOG]) == 1
        assert journal.count(1, 3, [LOG]) == 2


def hold(journal: Journal, number: int, seconds: float) -> None:
    """Append an inspection whose source waits for every sink, up to so many seconds."""
    one = inspection(number)
    arrival = Arrival(one.frame, 0.0, one.frame.source, hold_s=seconds)
    journal.append(one, arrival=arrival, counts_as=(one.frame.source, ""))


def test_a_source_that_others_could_relieve_is_told_once_every_sink_has_its_frame(path: Path) -> None:
    told, lanes = Told(), [Held("database"), Held("webhook")]
    with journal_at(path, told) as journal:
        for lane in lanes:
            journal.add_lane(lane)
        journal.start()
        hold(journal, 1, 3600)
        put(journal, inspection(2))
        told.wait_for(lambda it: it.settled == ids(2))
        assert not journal.is_settled(ids(1)[0])
        assert journal.file.counts()[1] == Counter({("folder", ""): 1})
        lanes[0].cursor = 2
        journal.strike_off()
        put(journal, inspection(3))
        told.wait_for(lambda it: it.settled == ids(2, 3))
        lanes[1].cursor = 1
        journal.strike_off()
        told.wait_for(lambda it: it.settled == ids(2, 3, 1))
        assert journal.is_settled(ids(1)[0])
        assert journal.file.counts()[1] == Counter({("folder", ""): 3})


def test_it_does_not_wait_for_a_sink_that_is_away_for_longer_than_it_was_told(path: Path) -> None:
    told = Told()
    with journal_at(path, told) as journal:
        journal.add_lane(Held("database"))
        journal.start()
        hold(journal, 1, 0.05)
        told.wait_for(lambda it: it.settled == ids(1))


def test_what_was_recorded_on_a_full_disk_is_recorded_after_a_kill(path: Path) -> None:
    counts, told, lane = CapturedCounts(None), Told(), Held("database")
    counts.add("folder")
    counts.add("folder")
    with journal_at(path, told, captured=counts.all) as journal:
        journal.expect("folder")
        journal.add_lane(lane)
        journal.start()
        put(journal, inspection(0))
        told.wait_for(lambda it: len(it.settled) == 1)
        fill(journal)
        put(journal, inspection(1, image=grey(1, 200, 200)))
        lane.wait_for(lambda it: len(it.offered) == 2)
        lane.cursor = 2
        journal.strike_off()
        told.wait_for(lambda it: len(it.settled) == 2)
    with journal_at(path, captured=counts.all) as journal:
        assert journal.book_interrupted(counts, lambda _source: "wait") == {}
        assert journal.before["folder"].recorded == 2
        journal.start()
    with closing(JournalFile(path)) as file:
        assert file.counts()[1] == Counter({("folder", ""): 2})
    counts.close()


def test_what_waits_for_a_full_disk_takes_little_memory(path: Path) -> None:
    told, lane = Told(), Held("files")
    with journal_at(path, told, memory_bytes=2 * MEGABYTE) as journal:
        journal.add_lane(lane)
        journal.start()
        fill(journal)
        for number in range(10):  # of 500 kilobytes each: picture and heat map
            put(journal, _large(number))
        lane.wait_for(lambda it: len(it.offered) == 10)
        make_room(journal)
        assert journal.wait_until_written(PATIENCE_S)
        told.wait_for(lambda it: len(it.settled) == 10)
        lane.cursor = 0
        read = journal.read(0, 20, pixels=True, max_bytes=100 * MEGABYTE)
        assert [name_of(one) for _, one in read if one is not None] == ids(*range(10))


def _large(number: int) -> Inspection:
    one = inspection(number, image=grey(1, 320, 320))
    assert one.explanation is not None
    return replace(one, frame=replace(one.frame, encoded=b"\xff\xd8" + bytes(1000)))


def test_a_clock_that_is_set_forward_throws_nothing_away(path: Path) -> None:
    class Wrong(SystemClock):
        behind = timedelta(days=3000)

        def now(self) -> datetime:
            return super().now() - self.behind

    clock, lane, told = Wrong(), Held("database"), Told()
    journal = Journal(
        path,
        settings=JournalSettings(max_age_h=1),
        memory_bytes=MEGABYTE,
        clock=clock,
        settle=told.settle,
        trouble=told.trouble,
    )
    journal.add_lane(lane)
    journal.start()
    put(journal, inspection(1))
    told.wait_for(lambda it: it.settled == ids(1))
    clock.behind = timedelta(0)
    put(journal, inspection(2))
    told.wait_for(lambda it: it.settled == ids(1, 2))
    journal.dead()  # a flush, and with it a look at the limits
    journal.close(PATIENCE_S)
    assert lane.gone == []
    with closing(JournalFile(path)) as file:
        assert file.clock_set() is not None
        assert file.size()[0] == 2


def test_a_sink_that_a_damaged_journal_forgot_gets_everything_that_could_be_read(path: Path) -> None:
    with journal_at(path) as journal:
        lane = Held("database")
        journal.add_lane(lane)
        journal.start()
        for number in range(3):
            put(journal, inspection(number))
        lane.wait_for(lambda it: len(it.offered) == 3)
    with journal_at(path) as journal:
        journal.file.set_aside = path  # as after a salvage that found no cursor
        journal._cursors.clear()
        lane = Held("database")
        journal.add_lane(lane)
        assert (lane.cursor, lane.owed) == (0, 3)
        journal.start()
