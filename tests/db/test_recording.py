import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, selectinload

from linecore.alarms import Alarm, AlarmState, Priority
from linecore.inspection import Decision, Evidence, Frame, Inspection, Part, Timings, Verdict
from linecore.log import DROPPED, LogEntry
from linecore_db.queries import HistoryFilter, find
from linecore_db.recording import close_left_alarms, record, record_alarm, record_log
from linecore_db.schema import AlarmRow, Base, Detail, DroppedFrameRow, EvidenceRow, InspectionRow, LogRow, RegionRow
from linecore_db.session import open_database
from tests.db.inspections import NOON, inspection


def count(engine: Engine, table: type[Base]) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def rows(engine: Engine) -> list[InspectionRow]:
    return list(find(engine, HistoryFilter(), oldest_first=True))


def test_everything_that_was_found_out_comes_back(history: Engine) -> None:
    part = Part("S1", "L2", "O3", "T4", "C5", "top", 12.5, -40.25)
    written = inspection(7, part=part, reason="a reason", origin="/in/7.jpg", regions=2)
    assert record(history, [written]) == 1
    (row,) = rows(history)
    assert (row.frame_id, row.line, row.source, row.sequence) == (written.frame.id, "hot-strip-1", "camera", 7)
    assert (row.serial, row.lot, row.work_order, row.tray) == ("S1", "L2", "O3", "T4")
    assert (row.coil, row.side, row.metre, row.across) == ("C5", "top", 12.5, -40.25)
    assert (row.origin, row.width, row.height) == ("/in/7.jpg", 6, 4)
    assert (row.captured_at, row.completed_at) == (written.frame.captured_at, written.completed_at)
    assert (row.decision, row.label, row.confidence, row.novelty) == ("FAIL", "scratches", 0.98, 0.25)
    assert row.scores == {"scratches": 0.98, "ok": 0.02}
    assert (row.reason, row.truth_label, row.config_hash) == ("a reason", "scratches", "cd" * 32)
    assert (row.model_name, row.model_version, row.model_sha256) == ("neu", "1.2", "ab" * 32)
    assert (row.wait_ms, row.decode_ms, row.classify_ms, row.explain_ms) == (1.0, 2.0, 3.0, 4.0)
    assert (row.heatmap_method, row.heatmap_label, row.peak_x, row.peak_y) == ("class maps", "scratches", 2, 1)
    boxes = [(region.x0, region.y0, region.x1, region.y1, region.area, region.score) for region in row.regions]
    assert boxes == [(0, 0, 2, 3, 6, 0.75), (1, 0, 3, 3, 6, 0.75)]
    assert [(kept.kind, kept.path) for kept in row.evidence] == [("image", "evidence/7.png")]


def test_a_frame_without_an_answer_is_recorded_like_any_other(history: Engine) -> None:
    frame = Frame("l/s/broken", "l", "s", 0, NOON)
    verdict = Verdict(Decision.NO_RESULT, reason="cannot be decoded")
    record(history, [Inspection(frame, verdict, Timings(), NOON)])
    (row,) = rows(history)
    assert (row.decision, row.label, row.reason, row.width) == ("NO_RESULT", None, "cannot be decoded", None)
    assert (row.scores, row.model_name, row.heatmap_method, row.regions) == ({}, None, None, [])


def test_a_batch_that_comes_again_is_stored_once(history: Engine) -> None:
    batch = [inspection(number, regions=3) for number in range(5)]
    assert record(history, batch) == 5
    assert record(history, batch) == 0
    assert record(history, [*batch, inspection(5, regions=3)]) == 1
    assert [count(history, table) for table in (InspectionRow, RegionRow, EvidenceRow)] == [6, 18, 6]


def test_a_frame_twice_in_one_batch_is_stored_once_as_it_came_first(history: Engine) -> None:
    first, second = inspection(0, reason="first", regions=1), inspection(0, reason="second", regions=4)
    assert record(history, [first, inspection(1), second]) == 2
    assert [(row.reason, len(row.regions)) for row in rows(history)] == [("first", 1), (None, 1)]


def test_a_second_opinion_does_not_touch_the_first(history: Engine) -> None:
    record(history, [inspection(0, reason="first", regions=1)])
    record(history, [inspection(0, reason="second", regions=4)])
    (row,) = rows(history)
    assert (row.reason, len(row.regions), len(row.evidence)) == ("first", 1, 1)


def test_nothing_of_a_batch_is_stored_when_it_fails(migrated: Engine) -> None:
    with migrated.begin() as connection:
        connection.execute(text("DROP TABLE evidence"))
    with pytest.raises(Exception, match="evidence"):
        record(migrated, [inspection(0), inspection(1)])
    assert count(migrated, InspectionRow) == count(migrated, RegionRow) == 0


def test_ids_that_differ_only_in_case_or_space_are_different_frames(history: Engine) -> None:
    ids = ["l/s/A.jpg", "l/s/a.jpg", "l/s/a.jpg ", "l/s/ä.jpg", "l/s/a\u0308.jpg"]
    assert record(history, [inspection(frame_id=frame_id) for frame_id in ids]) == len(ids)
    for frame_id in ids:
        assert len(list(find(history, HistoryFilter(frame_id=frame_id)))) == 1


def test_no_text_or_number_keeps_a_frame_out_of_the_history(history: Engine) -> None:
    awkward = "nul \0, surrogate \udcff, emoji \N{FACTORY}, quote ' \" `, percent % %s, brace {x}, " + "long " * 20_000
    nowhere = float("nan")
    written = inspection(
        0,
        frame_id=awkward,
        line=awkward,
        source=awkward,
        label=awkward,
        reason=awkward,
        origin=awkward,
        confidence=nowhere,
        novelty=float("inf"),
        part=Part(serial=awkward, lot=awkward, side=awkward, metre=nowhere, across=-float("inf")),
    )
    written = replace(
        written,
        verdict=replace(written.verdict, scores={awkward: nowhere, "a\0b": 0.5}),
        evidence=(Evidence(awkward, awkward),),
        config_hash=awkward,
    )
    assert record(history, [written]) == 1
    assert record(history, [written]) == 0
    (row,) = find(history, HistoryFilter(line=awkward, source=awkward, label=awkward, part=Part(serial=awkward)))
    assert (row.confidence, row.novelty, row.metre, row.across) == (None, None, None, None)
    assert row.reason is not None
    assert row.reason.startswith(r"nul \x00, surrogate \udcff, emoji " + "\N{FACTORY}")
    assert row.scores[r"a\x00b"] == 0.5
    assert len(row.evidence) == 1


anything = st.text(st.characters(), max_size=400)
numbers = st.none() | st.floats()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anything, anything, anything, numbers, numbers, st.datetimes(timezones=st.timezones()))
def test_any_frame_is_recorded(
    history: Engine,
    frame_id: str,
    label: str,
    serial: str,
    novelty: float | None,
    metre: float | None,
    captured_at: datetime,
) -> None:
    part = Part(serial=serial, metre=metre)
    written = inspection(frame_id=frame_id, label=label, part=part, novelty=novelty)
    written = replace(written, frame=replace(written.frame, captured_at=captured_at))
    record(history, [written])
    (row,) = find(history, HistoryFilter(frame_id=frame_id))
    assert row.decision == "FAIL"


def test_numbers_of_numpy_are_stored_as_numbers(history: Engine) -> None:
    written = inspection(0, confidence=np.float32(0.5), novelty=np.float64(0.25))  # type: ignore[arg-type]
    record(history, [written])
    (row,) = rows(history)
    assert (row.confidence, row.novelty) == (0.5, 0.25)


def test_writers_of_the_same_frames_store_each_once(history: Engine) -> None:
    batches = [[inspection(number, regions=2) for number in range(start, start + 20)] for start in range(0, 100, 10)]

    def write(together: Barrier) -> int:
        engine = open_database(history.url)
        together.wait(10)
        new = sum(_until_stored(engine, batch) for batch in batches)
        engine.dispose()
        return new

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(write, [Barrier(3)] * 3)) == 110
    assert [count(history, table) for table in (InspectionRow, RegionRow, EvidenceRow)] == [110, 220, 110]


def _until_stored(engine: Engine, batch: list[Inspection]) -> int:
    """Offer a batch as a lane does: again after a failure, which a deadlock between writers is."""
    for _ in range(100):
        try:
            return record(engine, batch)
        except OperationalError as error:
            if "eadlock" not in str(error) and "Record has changed" not in str(error):
                raise
    raise AssertionError("a hundred deadlocks")


SECOND_PROCESS = """
import sys
from linecore_db.recording import record
from linecore_db.session import open_database
from linecore_db.urls import parse_url
from tests.db.inspections import inspection
engine = open_database(parse_url(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(record(engine, [inspection(number)]) for number in range(50)))
engine.dispose()
"""


def test_two_processes_share_an_sqlite_file(sqlite_history: Engine) -> None:
    command = [sys.executable, "-c", SECOND_PROCESS, f"sqlite:///{sqlite_history.url.database}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        mine = sum(record(sqlite_history, [inspection(number)]) for number in range(50))
        theirs = int(other.stdout.readline())
    assert mine + theirs == count(sqlite_history, InspectionRow) == count(sqlite_history, RegionRow) == 50


def dropped(number: int, **changes: str | int | float | None) -> LogEntry:
    detail: Detail = {"frame_id": f"l/s/{number}", "sequence": number, "captured_at": NOON.isoformat(), "reason": "old"}
    return LogEntry(f"drop-{number}", "l", NOON + timedelta(seconds=1), DROPPED, "...", "s", detail | changes)


def test_dropped_frames_are_stored_once_in_a_table_of_their_own(history: Engine) -> None:
    for _ in range(2):
        record_log(history, [dropped(3), dropped(4), dropped(3)])
    with Session(history) as session:
        kept = session.scalars(select(DroppedFrameRow).order_by(DroppedFrameRow.sequence)).all()
    assert [(row.frame_id, row.line, row.source, row.sequence, row.reason) for row in kept] == [
        ("l/s/3", "l", "s", 3, "old"),
        ("l/s/4", "l", "s", 4, "old"),
    ]
    assert (kept[0].captured_at, kept[0].dropped_at) == (NOON, NOON + timedelta(seconds=1))
    assert count(history, LogRow) == 0


def test_what_happened_to_the_line_is_stored_once(history: Engine) -> None:
    gap = LogEntry("1", "l", NOON, "sequence gap", "3 frames of left are missing", "left", {"missing": 3, "share": 0.5})
    changed = LogEntry("2", "l", NOON, "config changed", "a new file", None, {"hash": "ab", "before": None})
    for _ in range(2):
        record_log(history, [gap, changed, gap])
    with Session(history) as session:
        first, second = session.scalars(select(LogRow).order_by(LogRow.id)).all()
    assert (first.line, first.at, first.kind, first.message) == ("l", NOON, "sequence gap", gap.message)
    assert (first.source, first.detail) == ("left", {"missing": 3, "share": 0.5})
    assert (second.source, second.detail) == (None, {"hash": "ab", "before": None})


def test_a_drop_that_does_not_say_which_frame_it_was_is_kept_as_an_entry(history: Engine) -> None:
    nowhere = replace(dropped(1), id="nowhere", source=None)
    record_log(history, [dropped(1, captured_at="yesterday"), dropped(2, sequence="two"), nowhere])
    assert (count(history, DroppedFrameRow), count(history, LogRow)) == (0, 3)


def test_no_text_or_number_keeps_an_entry_out_of_the_log(history: Engine) -> None:
    awkward = "nul \0, surrogate \udcff, " + "long " * 20_000
    detail: Detail = {awkward: awkward, "nan": float("nan"), "infinite": -float("inf"), "large": 10**30}
    entry = LogEntry(awkward, awkward, NOON, awkward, awkward, awkward, detail)
    record_log(history, [entry, entry])
    assert count(history, LogRow) == 1


def test_a_late_answer_and_a_late_delivery_are_kept_beside_the_verdict(history: Engine) -> None:
    in_time = inspection(0, decision=Decision.NO_RESULT, label=None, reason="no verdict within 200 ms")
    late = replace(in_time, late=Verdict(Decision.FAIL, "scratches", 0.75), buffered=True)
    record(history, [late, inspection(1)])
    first, second = rows(history)
    assert (first.decision, first.label) == ("NO_RESULT", None)
    answer = (first.late_decision, first.late_label, first.late_confidence)
    assert (answer, first.buffered) == (("FAIL", "scratches", 0.75), True)
    assert (second.late_decision, second.late_label, second.late_confidence, second.buffered) == (
        None,
        None,
        None,
        False,
    )


RAISED = Alarm(
    "hot-strip-1/scratches/1",
    "hot-strip-1",
    "scratch burst",
    Priority.HIGH,
    AlarmState.RAISED,
    "3 of the last 10 frames are FAIL scratches",
    NOON,
    NOON,
    ("hot-strip-1/camera/1", "hot-strip-1/camera/2"),
)
CLEARED = replace(RAISED, state=AlarmState.CLEARED, changed_at=NOON + timedelta(minutes=1), message="1 of 10")


def alarms(engine: Engine) -> list[AlarmRow]:
    with Session(engine) as session:
        return list(session.scalars(select(AlarmRow).options(selectinload(AlarmRow.changes)).order_by(AlarmRow.id)))


def test_an_alarm_keeps_every_change_of_its_state(history: Engine) -> None:
    for alarm in (RAISED, RAISED, CLEARED, CLEARED, RAISED):  # each may come again, and late
        record_alarm(history, alarm)
    (kept,) = alarms(history)
    assert (kept.name, kept.priority, kept.state) == ("scratch burst", "high", "cleared")
    assert (kept.message, kept.frame_ids) == (RAISED.message, list(RAISED.frame_ids))
    assert (kept.raised_at, kept.changed_at) == (NOON, CLEARED.changed_at)
    assert [(change.state, change.changed_by, change.note) for change in kept.changes] == [
        ("raised", "linecore", RAISED.message),
        ("cleared", "linecore", "1 of 10"),
    ]


def test_a_line_that_restarts_clears_what_a_crash_left_raised(history: Engine) -> None:
    record_alarm(history, RAISED)
    record_alarm(history, replace(RAISED, id="other", line="hot-strip-2"))
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert close_left_alarms(history, "hot-strip-1", now) == 1
    assert close_left_alarms(history, "hot-strip-1", now) == 0
    mine, other = alarms(history)
    assert (mine.state, other.state) == ("cleared", "raised")
    assert [(change.state, change.changed_at, change.note) for change in mine.changes][1:] == [
        ("cleared", now, "line restarted")
    ]


def test_a_clock_that_was_set_back_does_not_keep_an_alarm_raised(history: Engine) -> None:
    record_alarm(history, RAISED)
    close_left_alarms(history, "hot-strip-1", NOON - timedelta(days=1))
    (alarm,) = alarms(history)
    assert (alarm.state, alarm.changed_at) == ("cleared", NOON)
