from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, Engine, event

from linecore.inspection import Decision, Part
from linecore_db.queries import Count, HistoryFilter, count, find, select_counts, select_page
from linecore_db.recording import record
from linecore_db.schema import InspectionRow
from linecore_db.session import open_database
from tests.db.inspections import NOON, inspection
from tests.db.plans import plan_of


def numbers(
    engine: Engine, wanted: HistoryFilter, *, limit: int | None = None, oldest_first: bool = False, page: int = 1000
) -> list[int]:
    return [row.sequence for row in find(engine, wanted, limit=limit, oldest_first=oldest_first, page=page)]


@pytest.fixture
def filled(history: Engine) -> Engine:
    """Six frames, a second apart: 0-2 on line a, 3-5 on line b; coils C1 C1 C2; one PASS, one NO_RESULT."""
    record(
        history,
        [
            inspection(0, line="a", part=Part(coil="C1", metre=1.5, side="top")),
            inspection(1, line="a", part=Part(coil="C1", side="bottom")),
            inspection(2, line="a", part=Part(coil="C2", order="W1", tray="T1"), label="patches"),
            inspection(3, line="b", part=Part(serial="S3", lot="L1")),
            inspection(4, line="b", source="folder", decision=Decision.PASS, label="ok"),
            inspection(5, line="b", decision=Decision.NO_RESULT, label=None, reason="broken"),
        ],
    )
    return history


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (HistoryFilter(), [5, 4, 3, 2, 1, 0]),
        (HistoryFilter(line="a"), [2, 1, 0]),
        (HistoryFilter(line="A"), []),
        (HistoryFilter(source="folder"), [4]),
        (HistoryFilter(label="scratches"), [3, 1, 0]),
        (HistoryFilter(decision="NO_RESULT"), [5]),
        (HistoryFilter(since=NOON + timedelta(seconds=4)), [5, 4]),
        (HistoryFilter(until=NOON + timedelta(seconds=1)), [0]),
        (HistoryFilter(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=3)), [2, 1]),
        (HistoryFilter(part=Part(coil="C1")), [1, 0]),
        (HistoryFilter(part=Part(coil="C1", side="top")), [0]),
        (HistoryFilter(part=Part(metre=1.5)), [0]),
        (HistoryFilter(part=Part(order="W1")), [2]),
        (HistoryFilter(part=Part(tray="T1")), [2]),
        (HistoryFilter(part=Part(serial="S3")), [3]),
        (HistoryFilter(part=Part(lot="L1")), [3]),
        (HistoryFilter(frame_id="b/folder/0004.jpg"), [4]),
        (HistoryFilter(line="a", label="patches", decision="FAIL", part=Part(coil="C2")), [2]),
    ],
)
def test_a_filter_finds_what_agrees_with_all_of_it(filled: Engine, wanted: HistoryFilter, found: list[int]) -> None:
    assert numbers(filled, wanted) == found
    assert sum(each.frames for each in count(filled, wanted)) == len(found)


def test_the_newest_come_first_unless_asked_otherwise(filled: Engine) -> None:
    assert numbers(filled, HistoryFilter(), limit=2) == [5, 4]
    assert numbers(filled, HistoryFilter(), limit=2, oldest_first=True) == [0, 1]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_join_without_a_gap_or_a_frame_twice(history: Engine, oldest_first: bool) -> None:
    """Three frames of every instant, so that pages end amid frames of the same time."""
    record(history, [inspection(n, captured_at=NOON + timedelta(seconds=n // 3)) for n in range(20)])
    expected = list(range(20)) if oldest_first else list(range(19, -1, -1))
    found = list(find(history, HistoryFilter(), oldest_first=oldest_first, page=4))
    assert [row.sequence for row in found] == expected
    assert all(len(row.regions) == len(row.evidence) == 1 for row in found)
    assert numbers(history, HistoryFilter(), oldest_first=oldest_first, page=4, limit=10) == expected[:10]


def test_counts_are_ordered_like_a_pareto(filled: Engine) -> None:
    first, *rest = count(filled, HistoryFilter())
    assert first == Count("FAIL", "scratches", 3)
    assert {(each.decision, each.label, each.frames) for each in rest} == {
        ("FAIL", "patches", 1),
        ("PASS", "ok", 1),
        ("NO_RESULT", None, 1),
    }
    assert count(filled, HistoryFilter(line="nowhere")) == []


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (HistoryFilter(), "ix_inspection_captured_at"),
        (HistoryFilter(line="a"), "ix_inspection_line_captured_at"),
        (HistoryFilter(label="scratches"), "ix_inspection_label_captured_at"),
        (HistoryFilter(decision="FAIL"), "ix_inspection_decision_captured_at"),
        (HistoryFilter(part=Part(coil="C1")), "ix_inspection_coil_captured_at"),
        (HistoryFilter(part=Part(serial="S1")), "ix_inspection_serial_captured_at"),
        (HistoryFilter(part=Part(lot="L1")), "ix_inspection_lot_captured_at"),
        (HistoryFilter(part=Part(order="W1")), "ix_inspection_work_order_captured_at"),
        (HistoryFilter(part=Part(tray="T1")), "ix_inspection_tray_captured_at"),
    ],
)
def test_every_way_to_ask_has_its_index(
    sqlite_history: Engine, wanted: HistoryFilter, index: str, oldest_first: bool
) -> None:
    """Also with a span of time; the index gives the order too, so that nothing is sorted."""
    for asked in (wanted, replace(wanted, since=NOON - timedelta(days=1), until=NOON)):
        plan = explain(sqlite_history, asked, None, oldest_first)
        assert f"inspection USING INDEX {index}" in plan
        assert "TEMP B-TREE" not in plan


def test_a_page_in_the_middle_begins_at_its_index(sqlite_history: Engine) -> None:
    record(sqlite_history, [inspection(0, line="a")])
    (row,) = find(sqlite_history, HistoryFilter())
    plan = explain(sqlite_history, HistoryFilter(line="a"), row, False)
    assert "USING INDEX ix_inspection_line_captured_at (line=? AND captured_at<?)" in plan
    assert "TEMP B-TREE" not in plan


def explain(engine: Engine, wanted: HistoryFilter, after: InspectionRow | None, oldest_first: bool) -> str:
    query = select_page(wanted, 50, after, oldest_first=oldest_first)
    sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"))


@pytest.mark.parametrize("shared_history", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(
    "wanted",
    [
        HistoryFilter(line="a", since=NOON - timedelta(hours=1)),
        HistoryFilter(since=NOON - timedelta(days=7)),
        HistoryFilter(since=NOON - timedelta(days=7), until=NOON, line="a", label="scratches"),
        HistoryFilter(frame_id="a/camera/0001.jpg"),
    ],
)
def test_neither_asking_nor_counting_reads_a_whole_table(history: Engine, wanted: HistoryFilter) -> None:
    record(history, [inspection(n, line=f"line {n % 7}") for n in range(500)])
    engine = open_database(history.url)
    if engine.dialect.name == "postgresql":  # a table as small as this is read as a whole, if that is not made dear

        @event.listens_for(engine, "begin")
        def make_dear(connection: Connection) -> None:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")

    for query in (select_page(wanted, 50), select_counts(wanted)):
        plan = plan_of(engine, query)
        assert plan.uses_an_index, plan.text
    engine.dispose()


SPANS = [
    (None, None),
    (timedelta(0), None),
    (None, timedelta(hours=1)),
    (timedelta(minutes=10), timedelta(minutes=20)),  # within an hour
    (timedelta(minutes=50), timedelta(hours=1, minutes=10)),  # no whole hour between
    (timedelta(minutes=50), timedelta(hours=3, minutes=10)),
    (timedelta(hours=1), timedelta(hours=3)),
    (timedelta(hours=3), timedelta(hours=1)),  # nothing
    (timedelta(microseconds=1), timedelta(hours=4, microseconds=1)),
]


@pytest.mark.parametrize(
    "wanted", [HistoryFilter(), HistoryFilter(line="a"), HistoryFilter(label="ok", decision="PASS")]
)
def test_counts_from_the_sums_are_the_counts_of_the_rows(history: Engine, wanted: HistoryFilter) -> None:
    kinds = [(Decision.PASS, "ok"), (Decision.FAIL, "scratches"), (Decision.NO_RESULT, None)]
    on_the_hour = NOON.replace(minute=0, second=0, microsecond=0)
    batch = [
        inspection(
            n, line="ab"[n % 2], decision=decision, label=label, captured_at=on_the_hour + n * timedelta(minutes=5)
        )
        for n in range(60)
        for decision, label in [kinds[n % 3]]
    ]
    record(history, batch[:40])
    record(history, batch[20:])  # some come twice
    for since, until in SPANS:
        span = replace(
            wanted,
            since=None if since is None else on_the_hour + since,
            until=None if until is None else on_the_hour + until,
        )
        by_rows = Counter((row.decision, row.label) for row in find(history, span))
        assert {(each.decision, each.label): each.frames for each in count(history, span)} == by_rows


def test_a_span_in_any_zone_or_at_the_end_of_the_calendar_is_counted(history: Engine) -> None:
    record(history, [inspection(0)])
    half_past = timezone(timedelta(hours=5, minutes=30))
    since, last = NOON.astimezone(half_past), datetime.max.replace(tzinfo=UTC)
    assert count(history, HistoryFilter(since=since, until=last)) == [Count("FAIL", "scratches", 1)]
    assert count(history, HistoryFilter(since=last - timedelta(minutes=1))) == []
    assert count(history, HistoryFilter(label="")) == []
