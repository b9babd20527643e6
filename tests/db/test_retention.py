import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.orm import Session

from linecore.alarms import Alarm, AlarmState, Priority
from linecore.inspection import Decision, Evidence, Inspection, Part
from linecore.log import DROPPED, LogEntry
from linecore_db.evidence_files import EvidenceFolders
from linecore_db.holds import hold, release
from linecore_db.queries import HistoryFilter, count, find
from linecore_db.recording import record, record_alarm, record_log
from linecore_db.retention import Ages, Purged, purge
from linecore_db.schema import (
    AlarmChangeRow,
    AlarmRow,
    Base,
    Detail,
    DroppedFrameRow,
    EvidenceRow,
    InspectionRow,
    LogRow,
    RegionRow,
    ReviewRow,
    TallyRow,
)
from linecore_db.session import open_database
from linecore_db.stored_images import StoredImages, measure
from tests.db.inspections import NOON, inspection

NOW = NOON + timedelta(days=100)
MONTH_AND_YEAR = Ages()


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """The folder of the evidence."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    return folder


def kept(
    number: int, age_days: float, folder: Path, decision: Decision = Decision.FAIL, part: Part | None = None
) -> Inspection:
    """Return an inspection of some age, and make the file that it names."""
    file = folder / f"{number}.png"
    file.write_bytes(b"12345")
    at = NOW - timedelta(days=age_days)
    label = None if decision is Decision.NO_RESULT else "ok" if decision is Decision.PASS else "scratches"
    made = inspection(number, decision=decision, captured_at=at, part=part or Part(), label=label)
    return replace(made, evidence=(Evidence("image", str(file)),))


def left(engine: Engine) -> list[int]:
    return [row.sequence for row in find(engine, HistoryFilter(), oldest_first=True)]


def rows_of(engine: Engine, table: type[Base]) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def counted_by_the_hour(engine: Engine) -> set[tuple[str, str | None, int]]:
    return {(each.decision, each.label, each.frames) for each in count(engine, HistoryFilter())}


def counted_row_by_row(engine: Engine) -> set[tuple[str, str | None, int]]:
    query = select(InspectionRow.decision, InspectionRow.label, func.count())
    with engine.connect() as connection:
        rows = connection.execute(query.group_by(InspectionRow.decision, InspectionRow.label))
        return {(decision, label, frames) for decision, label, frames in rows}


def purged(
    engine: Engine,
    folder: Path,
    ages: Ages = MONTH_AND_YEAR,
    now: datetime = NOW,
    *,
    most: float | None = None,
    dry_run: bool = False,
) -> Purged:
    return purge(engine, ages, EvidenceFolders([folder]), now, max_image_bytes=most, dry_run=dry_run)


def test_what_passed_goes_before_what_was_rejected(history: Engine, evidence: Path) -> None:
    every = [Decision.PASS, Decision.FAIL, Decision.UNCERTAIN, Decision.NO_RESULT]
    ages = [29, 31, 364, 366]
    batch = [
        kept(10 * a + d, age, evidence, decision) for a, age in enumerate(ages) for d, decision in enumerate(every)
    ]
    record(history, batch)
    done = purged(history, evidence)
    assert sorted(left(history)) == [0, 1, 2, 3, 11, 12, 13, 21, 22, 23]
    assert (done.inspections, done.files, done.bytes, done.files_missing) == (6, 6, 30, 0)
    assert len(list(evidence.iterdir())) == rows_of(history, EvidenceRow) == rows_of(history, RegionRow) == 10
    assert done.stuck == {}


def test_the_sums_stay_those_of_the_rows(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 20 + n / 10, evidence, Decision.PASS if n % 3 else Decision.FAIL) for n in range(200)])
    purged(history, evidence)
    assert 0 < len(left(history)) < 200
    assert {(each.decision, each.label, each.frames) for each in count(history, HistoryFilter())} == counted_row_by_row(
        history
    )
    purged(history, evidence, Ages(timedelta(0), timedelta(0)))
    assert count(history, HistoryFilter()) == []
    assert rows_of(history, TallyRow) == 0


def test_many_go_in_several_batches(history: Engine, evidence: Path) -> None:
    """Frames of the same instant too, where one batch ends and the next begins."""
    record(history, [inspection(n, captured_at=NOON + timedelta(seconds=n // 150)) for n in range(700)])
    done = purged(history, evidence, Ages(rejects=timedelta(days=1)), now=NOON + timedelta(days=50))
    assert set(done.stuck.values()) == {"it lies outside the evidence folders"}
    with history.begin() as connection:
        connection.execute(update(EvidenceRow).values(path=str(evidence / "gone.png")))
    done = purged(history, evidence, Ages(rejects=timedelta(days=1)), now=NOON + timedelta(days=50))
    assert (done.inspections, done.files, done.files_missing) == (700, 0, 700)
    assert left(history) == []


@pytest.mark.parametrize(
    ("what", "part"),
    [
        ("lot", Part(lot="L7")),
        ("coil", Part(coil="L7")),
        ("serial", Part(serial="L7")),
        ("order", Part(order="L7")),
        ("tray", Part(tray="L7")),
    ],
)
def test_what_is_held_is_not_touched_until_it_is_released(
    history: Engine, evidence: Path, what: str, part: Part
) -> None:
    record(
        history,
        [kept(0, 500, evidence, part=part), kept(1, 500, evidence, part=Part(lot="L8")), kept(2, 500, evidence)],
    )
    assert hold(history, what, "L7", by="me", note="a complaint", now=NOON)
    images = Ages(images=timedelta(days=1))
    done = purged(history, evidence, images)
    assert (left(history), done.held, done.inspections) == ([0], 1, 2)
    assert [path.name for path in evidence.iterdir()] == ["0.png"]
    assert release(history, what, "L7", by="you", now=NOW)
    assert purged(history, evidence, images).inspections == 1
    assert not list(evidence.iterdir())


def test_what_a_person_judged_stays(history: Engine, evidence: Path) -> None:
    record(history, [kept(0, 500, evidence), kept(1, 500, evidence)])
    with Session(history) as session, session.begin():
        key = session.scalar(select(InspectionRow.id).where(InspectionRow.sequence == 0))
        review = {"inspection_id": key, "reviewed_at": NOON, "reviewed_by": "me", "decision": "PASS"}
        session.execute(insert(ReviewRow), [review])
    done = purged(history, evidence)
    assert (left(history), done.reviewed, done.held) == ([0], 1, 0)
    assert (evidence / "0.png").exists()


def test_images_may_go_before_their_rows(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 40 * n, evidence) for n in range(3)])
    done = purged(history, evidence, Ages(images=timedelta(days=60)))
    assert (done.files, done.inspections, len(left(history))) == (1, 0, 3)
    assert sorted(path.name for path in evidence.iterdir()) == ["0.png", "1.png"]
    assert rows_of(history, EvidenceRow) == 2


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir())


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("most", "gone", "stay"),
    [
        (30, 0, ["0", "1", "2", "3", "4", "5"]),
        (29, 1, ["0", "2", "3", "4", "5"]),
        (20, 2, ["0", "2", "4", "5"]),
        (10, 4, ["4", "5"]),
        (9, 5, ["5"]),
        (0, 6, []),
    ],
)
def test_files_beyond_what_they_may_take_go_the_oldest_first_and_what_passed_before(
    history: Engine, evidence: Path, dry_run: bool, most: float, gone: int, stay: list[str]
) -> None:
    """Of five bytes each; 1 and 3 passed. Their rows stay."""
    record(history, [kept(n, 20 - n, evidence, Decision.PASS if n in (1, 3) else Decision.FAIL) for n in range(6)])
    done = purged(history, evidence, most=most, dry_run=dry_run)
    assert (done.files, done.bytes, done.image_bytes, done.inspections) == (gone, 5 * gone, 30 - 5 * gone, 0)
    assert len(left(history)) == 6
    assert names(evidence) == (["0", "1", "2", "3", "4", "5"] if dry_run else stay)
    assert rows_of(history, EvidenceRow) == (6 if dry_run else len(stay))


def test_files_of_many_batches_stop_at_the_very_byte(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 20 - n / 1000, evidence) for n in range(450)])
    done = purged(history, evidence, most=1000)
    assert (done.files, done.image_bytes) == (250, 1000)
    assert names(evidence) == sorted(str(n) for n in range(250, 450))


def test_what_came_late_is_as_old_as_it_is(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, age, evidence) for n, age in enumerate((1, 2, 3))])
    record(history, [kept(n, age, evidence) for n, age in enumerate((200, 50, 100), 3)])
    assert purged(history, evidence, most=15).image_bytes == 15
    assert names(evidence) == ["0", "1", "2"]


def test_two_that_purge_at_once_remove_no_more_than_one(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 20 - n / 1000, evidence) for n in range(1500)])
    engines = [open_database(history.url), open_database(history.url)]
    both = [Thread(target=purged, args=(engine, evidence), kwargs={"most": 5000}) for engine in engines]
    for one in both:
        one.start()
    for one in both:
        one.join()
    for engine in engines:
        engine.dispose()
    assert len(names(evidence)) == 1000


def test_a_file_that_several_inspections_name_counts_once_and_stays(history: Engine, evidence: Path) -> None:
    first, second = kept(0, 20, evidence), kept(1, 19, evidence, part=Part(lot="L7"))
    shared = replace(first, evidence=second.evidence)
    record(history, [shared, second, kept(2, 18, evidence)])
    (evidence / "0.png").unlink()
    for dry_run in (True, False):
        done = purged(history, evidence, most=0, dry_run=dry_run)
        assert (done.files, done.image_bytes) == (1, 5)
    assert names(evidence) == ["1"]
    assert rows_of(history, EvidenceRow) == 2


def test_what_another_sink_has_not_written_yet_keeps_its_row(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 20 - n, evidence, Decision.PASS) for n in range(3)])
    (evidence / "1.png").unlink()
    done = purged(history, evidence, most=5)
    assert (done.files, done.files_missing, names(evidence)) == (1, 0, ["2"])
    assert rows_of(history, EvidenceRow) == 2


def test_files_that_cannot_be_looked_at_are_named(history: Engine, evidence: Path, tmp_path: Path) -> None:
    record(history, [kept(0, 20, evidence)])
    (tmp_path / "other").mkdir()
    done = purge(history, Ages(), EvidenceFolders([tmp_path / "other"]), NOW, max_image_bytes=0)
    assert (done.image_bytes, list(done.stuck.values())) == (0, ["it lies outside the evidence folders"])


@pytest.mark.parametrize("dry_run", [True, False])
def test_old_files_that_cannot_be_removed_count(
    history: Engine, evidence: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """Tests run as root too, who may remove anything; so the question is answered for somebody else."""
    record(history, [kept(0, 500, evidence), kept(1, 20, evidence)])

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("linecore_db.evidence_files.os.access", lambda *_, **__: False)
    monkeypatch.setattr("linecore_db.evidence_files.os.unlink", refused)
    done = purged(history, evidence, most=5, dry_run=dry_run)
    assert (done.files, done.image_bytes, set(done.stuck.values())) == (0, 10, {"Permission denied"})


def test_for_what_cannot_be_removed_others_go(history: Engine, evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the attempt shows it, as with an immutable file."""
    record(history, [kept(n, 20 - n, evidence) for n in range(5)])
    unlink = os.unlink

    def refused(name: str, **where: int) -> None:
        if name in ("0.png", "1.png"):
            raise PermissionError(1, "Operation not permitted")
        unlink(name, **where)

    monkeypatch.setattr("linecore_db.evidence_files.os.unlink", refused)
    done = purged(history, evidence, most=15)
    assert (done.files, done.image_bytes, names(evidence)) == (2, 15, ["0", "1", "4"])
    assert set(done.stuck.values()) == {"Operation not permitted"}


def test_what_is_held_meanwhile_stays_and_others_go(
    history: Engine, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(history, [kept(n, 20 - n, evidence, part=Part(lot="L7") if n < 2 else Part()) for n in range(5)])

    def measured(*asked: object) -> StoredImages:
        found = measure(*asked)  # type: ignore[arg-type]
        assert hold(history, "lot", "L7", by="me", note="a complaint", now=NOON)
        return found

    monkeypatch.setattr("linecore_db.retention.measure", measured)
    assert purged(history, evidence, most=15).image_bytes == 15
    assert names(evidence) == ["0", "1", "4"]


def test_another_inspection_that_has_got_the_same_id_meanwhile_stays(
    history: Engine, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(history, [kept(0, 20, evidence)])

    def measured(*asked: object) -> StoredImages:
        found = measure(*asked)  # type: ignore[arg-type]
        with history.begin() as connection:
            connection.execute(update(InspectionRow).values(captured_at=NOW))
        return found

    monkeypatch.setattr("linecore_db.retention.measure", measured)
    assert purged(history, evidence, most=0).files == 0
    assert names(evidence) == ["0"]


def test_one_file_by_two_paths_counts_once_and_stays(history: Engine, evidence: Path) -> None:
    (evidence.parent / "link").symlink_to(evidence)
    batch = [kept(n, 20 - n, evidence) for n in range(3)]
    batch[1] = replace(batch[1], evidence=(Evidence("image", str(evidence.parent / "link" / "0.png")),))
    batch[2] = replace(batch[2], evidence=(Evidence("image", str(evidence / ".." / "evidence" / "2.png")),))
    batch.append(replace(kept(3, 17, evidence), evidence=(Evidence("image", str(evidence / "2.png")),)))
    (evidence / "1.png").unlink()
    (evidence / "3.png").unlink()
    record(history, batch)
    folders = EvidenceFolders([evidence, evidence.parent / "link"])
    done = purge(history, Ages(), folders, NOW, max_image_bytes=0)
    assert (done.files, done.image_bytes, names(evidence)) == (0, 10, ["0", "2"])


def test_a_second_file_that_cannot_be_removed_leaves_the_bytes_of_the_first_uncounted(
    history: Engine, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kept(0, 20, evidence)
    (evidence / "overlay.png").write_bytes(b"1234567")
    record(history, [replace(made, evidence=(*made.evidence, Evidence("overlay", str(evidence / "overlay.png"))))])
    unlink = os.unlink

    def refused(name: str, **where: int) -> None:
        if name == "overlay.png":
            raise PermissionError(1, "Operation not permitted")
        unlink(name, **where)

    monkeypatch.setattr("linecore_db.evidence_files.os.unlink", refused)
    done = purged(history, evidence, most=0)
    assert (done.image_bytes, names(evidence), rows_of(history, EvidenceRow)) == (7, ["overlay"], 2)


def test_without_evidence_nothing_is_too_much(history: Engine, evidence: Path) -> None:
    record(history, [replace(inspection(0), evidence=())])
    assert purged(history, evidence, Ages(rejects=None), most=0).image_bytes == 0


def test_a_rehearsal_does_not_count_twice_what_goes_with_its_row(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, age, evidence, Decision.PASS) for n, age in enumerate((50, 40, 5))])
    ages = Ages(passes=timedelta(days=30), images=timedelta(days=20))
    assert purged(history, evidence, ages, dry_run=True).files == purged(history, evidence, ages).files == 2


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_goes_by_its_age_does_not_count_in_what_files_may_take(
    history: Engine, evidence: Path, dry_run: bool
) -> None:
    passed = [kept(n, 50 - 10 * n, evidence, Decision.PASS) for n in range(5)]  # 0 and 1 are older than 30 days
    rejected = [kept(n, 400 - 60 * n, evidence) for n in range(5, 7)]  # both younger than a year
    record(history, [*passed, *rejected])
    done = purged(history, evidence, Ages(images=timedelta(days=80)), most=15, dry_run=dry_run)
    # By age 0 and 1 with their rows, and the images of 5; of the other four, 20 bytes, one must go.
    assert (done.inspections, done.files, done.image_bytes) == (2, 4, 15)
    assert dry_run or names(evidence) == ["3", "4", "6"]


def test_held_and_reviewed_files_count_in_what_files_take_and_stay(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 20 - n, evidence, part=Part(lot="L7") if n < 2 else Part()) for n in range(4)])
    assert hold(history, "lot", "L7", by="me", note="a complaint", now=NOON)
    done = purged(history, evidence, most=12)
    assert (names(evidence), done.image_bytes) == (["0", "1"], 10)
    assert purged(history, evidence, most=5).image_bytes == 10


def test_a_file_that_cannot_be_removed_does_not_count(history: Engine, evidence: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    record(history, [kept(0, 20, tmp_path / "elsewhere"), kept(1, 19, evidence), kept(2, 18, evidence)])
    done = purged(history, evidence, most=5)
    assert (done.image_bytes, names(evidence), len(done.stuck)) == (5, ["2"], 1)
    assert (tmp_path / "elsewhere" / "0.png").exists()


def test_a_dry_run_changes_nothing_and_counts_the_same(history: Engine, evidence: Path) -> None:
    record(history, [kept(n, 500, evidence) for n in range(5)])
    record_log(history, entries())
    rehearsed = purged(history, evidence, dry_run=True)
    assert (len(left(history)), len(list(evidence.iterdir())), rows_of(history, LogRow)) == (5, 5, 2)
    done = purged(history, evidence)
    assert without_times(rehearsed) == without_times(done)


def without_times(done: Purged) -> Purged:
    return replace(done, longest_lock_s=0.0)


def test_a_file_that_stays_keeps_its_row(history: Engine, evidence: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious.txt"
    elsewhere.write_text("not evidence")
    batch = [kept(0, 500, evidence), kept(1, 500, evidence), kept(2, 500, evidence)]
    batch[0] = replace(batch[0], evidence=(Evidence("image", str(elsewhere)),))
    (evidence / "1.png").unlink()
    (evidence / "1.png").symlink_to(elsewhere)
    record(history, batch)
    done = purged(history, evidence)
    assert left(history) == [0, 1]
    assert elsewhere.exists()
    assert done.stuck == {
        str(elsewhere): "it lies outside the evidence folders",
        str(evidence / "1.png"): "it is no regular file",
    }


def test_a_crash_leaves_rows_without_files_and_no_file_without_its_row(
    history: Engine, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(history, [kept(n, 500, evidence) for n in range(5)])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as amid, pytest.raises(KeyboardInterrupt):
        amid.setattr("linecore_db.retention.add_to_tally", crash)
        purged(history, evidence)
    assert (left(history), list(evidence.iterdir())) == ([0, 1, 2, 3, 4], [])
    done = purged(history, evidence)
    assert (done.inspections, done.files_missing) == (5, 5)


def entries() -> Sequence[LogEntry]:
    detail: Detail = {"frame_id": "l/s/1", "sequence": 1, "captured_at": NOON.isoformat(), "reason": "late"}
    return [
        LogEntry("old", "l", NOW - timedelta(days=91), "sequence gap", "..."),
        LogEntry("young", "l", NOW - timedelta(days=89), "sequence gap", "..."),
        LogEntry("old drop", "l", NOW - timedelta(days=91), DROPPED, "...", "s", detail),
        LogEntry("young drop", "l", NOW - timedelta(days=89), DROPPED, "...", "s", detail),
    ]


def test_the_log_and_dropped_frames_have_their_age(history: Engine, evidence: Path) -> None:
    record_log(history, entries())
    done = purged(history, evidence)
    assert (done.log_entries, done.dropped_frames) == (1, 1)
    assert (rows_of(history, LogRow), rows_of(history, DroppedFrameRow)) == (1, 1)


def test_an_alarm_goes_when_it_is_cleared_and_old(history: Engine, evidence: Path) -> None:
    for number, age in enumerate((366, 364, 366)):
        at = NOW - timedelta(days=age)
        raised = Alarm(str(number), "l", "burst", Priority.LOW, AlarmState.RAISED, "...", at, at)
        record_alarm(history, raised)
        if number < 2:
            record_alarm(history, replace(raised, state=AlarmState.CLEARED))
    assert purged(history, evidence).alarms == 1
    with Session(history) as session:
        assert session.scalars(select(AlarmRow.id).order_by(AlarmRow.id)).all() == ["1", "2"]
    assert rows_of(history, AlarmChangeRow) == 3


def test_nothing_goes_that_is_kept_for_ever(history: Engine, evidence: Path) -> None:
    record(history, [kept(0, 5000, evidence), kept(1, 5000, evidence, Decision.PASS)])
    assert without_times(purged(history, evidence, Ages(None, None, None, None, None))) == Purged()


def test_a_line_writes_on_while_a_purge_runs(history: Engine, evidence: Path) -> None:
    record(history, [replace(inspection(n), evidence=()) for n in range(2000)])
    finished = Event()

    def purge_all() -> None:
        engine = open_database(history.url)
        purged(engine, evidence, Ages(rejects=timedelta(days=1)), now=NOON + timedelta(days=50))
        engine.dispose()
        finished.set()

    purging = Thread(target=purge_all)
    purging.start()
    written = 0
    while not finished.is_set():
        record(history, [inspection(10_000 + written, captured_at=NOON + timedelta(days=50))])
        written += 1
    purging.join()
    assert len(left(history)) == written > 1
    assert {(each.decision, each.label, each.frames) for each in count(history, HistoryFilter())} == counted_row_by_row(
        history
    )


def test_a_folder_that_is_not_there_keeps_its_rows(history: Engine, evidence: Path) -> None:
    """Not mounted, maybe: the files are not gone, and would be orphans."""
    record(history, [kept(0, 500, evidence)])
    evidence.rename(evidence.with_name("elsewhere"))
    done = purged(history, evidence)
    assert (left(history), list(done.stuck.values())) == ([0], [f"the folder {evidence} is not there"])
