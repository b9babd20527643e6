from collections.abc import Sequence
from threading import Event as Flag
from threading import Thread

from linecore.alarms import Alarm
from linecore.bus import Bus
from linecore.clock import SystemClock
from linecore.events import DeliveriesDropped, Event, SinkFailed
from linecore.inspection import Inspection
from linecore.lanes import BATCH, Lane, LaneLimits
from linecore.testing import PATIENCE_S
from tests.plugins.inspections import alarm, inspection

SIZE = inspection().nbytes


class Slow:
    """A sink that takes one delivery at a time, when it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.go, self.entered = Flag(), Flag()
        self.got: list[list[int] | str] = []
        self.failures = failures

    def record(self, inspections: Sequence[Inspection]) -> None:
        self._wait()
        self.got.append([one.frame.sequence for one in inspections])

    def notify(self, alarm: Alarm) -> None:
        self._wait()
        self.got.append(alarm.name)

    def _wait(self) -> None:
        self.entered.set()
        assert self.go.wait(PATIENCE_S)
        if self.failures:
            self.failures -= 1
            raise OSError("away")


class Laned:
    """A lane with a slow sink, the events it published and the batches that it called delivered."""

    def __init__(self, *, durable: bool = False, limits: LaneLimits | None = None, failures: int = 0) -> None:
        self.sink, self.bus, self.events = Slow(failures), Bus(), list[Event]()
        self.delivered: list[int] = []
        self.bus.subscribe(Event, self.events.append)
        self.lane = Lane(
            "slow",
            self.sink,
            durable=durable,
            limits=limits or LaneLimits(),
            bus=self.bus,
            clock=SystemClock(),
            delivered=lambda name, batch: self.delivered.extend(one.frame.sequence for one in batch),
        )
        self.lane.start()

    def finish(self, timeout_s: float = PATIENCE_S) -> int:
        self.sink.go.set()
        self.lane.close()
        return self.lane.join(timeout_s)


def test_what_waits_is_delivered_in_batches_and_in_order() -> None:
    laned = Laned()
    laned.lane.offer(inspection(0))
    assert laned.sink.entered.wait(PATIENCE_S)
    for number in range(1, BATCH + 50):
        laned.lane.offer(inspection(number))
    assert laned.finish() == 0
    assert [len(batch) for batch in laned.sink.got] == [1, BATCH, 49]
    assert laned.delivered == list(range(BATCH + 50))


def test_an_alarm_keeps_its_place_between_the_inspections() -> None:
    laned = Laned()
    laned.lane.offer(inspection(0))
    assert laned.sink.entered.wait(PATIENCE_S)
    for delivery in (inspection(1), alarm(), inspection(2)):
        laned.lane.offer(delivery)
    assert laned.finish() == 0
    assert laned.sink.got == [[0], [1], "burst", [2]]


def test_a_full_lane_lets_new_inspections_go_and_counts_them_but_takes_every_alarm() -> None:
    laned = Laned(limits=LaneLimits(bytes=3 * SIZE))
    for number in range(5):
        laned.lane.offer(inspection(number))
    laned.lane.offer(alarm())
    assert laned.lane.dropped == 2
    assert laned.events == [DeliveriesDropped("slow", 1, "the sink's lane is full")] * 2
    assert laned.finish() == 0
    assert laned.delivered == [0, 1, 2]
    assert laned.sink.got[-1] == "burst"


def test_a_full_durable_lane_holds_the_line_back_and_loses_nothing() -> None:
    laned = Laned(durable=True, limits=LaneLimits(bytes=2 * SIZE))
    waiting_when_taken: list[int] = []

    def offer() -> None:
        for number in range(5):
            laned.lane.offer(inspection(number))
            waiting_when_taken.append(number + 1 - len(laned.delivered))

    thread = Thread(target=offer)
    thread.start()
    assert laned.sink.entered.wait(PATIENCE_S)
    laned.sink.go.set()
    thread.join(PATIENCE_S)
    assert max(waiting_when_taken) <= 3  # two that wait, and a batch that is delivered but not yet counted
    assert laned.finish() == 0
    assert laned.delivered == list(range(5))
    assert laned.events == []


def test_a_picture_larger_than_the_lane_still_passes() -> None:
    laned = Laned(limits=LaneLimits(bytes=1))
    laned.lane.offer(inspection(0))
    assert laned.finish() == 0
    assert laned.delivered == [0]


def test_a_failed_batch_comes_again_before_anything_newer() -> None:
    laned = Laned(durable=True, failures=2)
    laned.lane.offer(inspection(0))
    assert laned.sink.entered.wait(PATIENCE_S)
    laned.lane.offer(inspection(1))
    assert laned.finish() == 0
    assert laned.delivered == [0, 1]
    failed = [event for event in laned.events if isinstance(event, SinkFailed)]
    assert [event.attempt for event in failed] == [1, 2]
    assert 0 < failed[0].retry_s < failed[1].retry_s <= 0.2


def test_joining_gives_up_on_a_sink_that_hangs_and_says_what_is_left() -> None:
    laned = Laned()
    laned.lane.offer(inspection(0))
    laned.lane.offer(inspection(1))
    assert laned.sink.entered.wait(PATIENCE_S)
    laned.lane.close()
    assert laned.lane.join(0.01) >= 1
    assert isinstance(laned.events[-1], DeliveriesDropped)
    laned.sink.go.set()
