"""The lane of a sink for the moment: nothing is kept for it, and what it lost is counted."""

from __future__ import annotations

from threading import Event as Flag

from linecore.events import DeliveriesDropped, SinkFailed, SinkRecovered, SinkStalled
from linecore.lanes import LaneLimits
from linecore.live_lanes import LiveLane
from linecore.packing import INSPECTION, weight_of
from linecore.testing import PATIENCE_S
from tests.linecore.deliveries import Events, Took, entry
from tests.plugins.inspections import inspection


def test_what_fails_is_let_go_and_what_follows_is_delivered() -> None:
    sink, events = Took(), Events()

    def fail(batch: list[str]) -> None:
        if "line-1/folder/0" in batch:
            raise SystemExit(1)

    sink.before = fail
    lane = LiveLane("console", sink, limits=LaneLimits(), bus=events.bus)
    lane.offer(inspection(0))
    lane.start()
    events.wait_for(SinkFailed)
    lane.offer(inspection(1))
    lane.close()
    assert lane.join(PATIENCE_S) == 0
    assert sink.taken == ["line-1/folder/1"]
    assert lane.dropped == 1
    assert lane.state.state == "idle"
    assert events.of(SinkRecovered)


def test_what_does_not_fit_and_what_is_left_at_the_end_is_counted_once() -> None:
    sink, events, entered, go = Took([INSPECTION]), Events(), Flag(), Flag()

    def hang(_batch: list[str]) -> None:
        entered.set()
        assert go.wait(PATIENCE_S)
        raise OSError("gone")

    sink.before = hang
    lane = LiveLane("console", sink, limits=LaneLimits(bytes=2 * weight_of(inspection())), bus=events.bus)
    lane.start()
    lane.offer(entry(1))  # not for this sink
    lane.offer(inspection(0))
    assert entered.wait(PATIENCE_S)
    lane.offer(inspection(1))
    lane.offer(inspection(2))
    assert lane.dropped == 1
    lane.close()
    assert lane.join(0.01) == 2
    assert lane.dropped == 3
    go.set()
    events.wait_for(SinkFailed)
    assert lane.dropped == 3
    assert events.of(DeliveriesDropped)[:2] == [
        DeliveriesDropped("console", 1, "the sink's lane is full"),
        DeliveriesDropped("console", 2, "the line stopped before the sink took them"),
    ]


def test_a_turn_that_does_not_end_is_ended() -> None:
    sink, events, go = Took(), Events(), Flag()

    def hang(_batch: list[str]) -> None:
        while not go.wait(0.005):
            pass

    sink.before = hang
    lane = LiveLane("console", sink, limits=LaneLimits(timeout_s=0.05), bus=events.bus)
    lane.start()
    lane.offer(inspection(0))
    events.wait_for(SinkStalled)
    other = Took()
    lane.use(other)
    lane.offer(inspection(1))
    other.wait_for(lambda it: len(it.taken) == 1)
    lane.close()
    lane.join(PATIENCE_S)
    go.set()
    assert other.taken == ["line-1/folder/1"]
