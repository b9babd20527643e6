"""What becomes of what was decided: into the journal, back to its source, along the lanes to the sinks."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from linecore.bus import Bus
from linecore.captured import CapturedCounts
from linecore.clock import Clock
from linecore.config import LineSettings
from linecore.errors import ConfigError
from linecore.events import DeliveriesDropped, FrameDropped
from linecore.inspection import Frame, Inspection
from linecore.intake import Arrival, Policy
from linecore.journal import Journal
from linecore.journal_settings import JournalSettings
from linecore.lanes import Lane, LaneLimits, LaneState
from linecore.ledger import COUNTED_AS_RECORDED, RECORDED, Balance, Ledger, Outcome
from linecore.live_lanes import LiveLane
from linecore.log import DROPPED, STARTED
from linecore.logbook import Logbook
from linecore.packing import Delivery
from linecore.roster import Roster, RosterSink
from linecore.settling import Settling

logger = logging.getLogger(__name__)

SINK_HOOKS = ("record", "notify", "log")
MIB = 1024 * 1024


class Dispatch:
    """The journal of a line, its lanes, its ledger, and what tells each source of its frames.

    *trouble* is told what is wrong (a name and a sentence), and None for the sentence when it is over; *failed* the
    plugin, the hook and the exception where one raises. *hide* takes secrets out of what an exception says.

    Raises:
        ConfigError: the journal cannot be used.
    """

    def __init__(
        self,
        line: str,
        path: Path | None,
        *,
        settings: LineSettings,
        journal: JournalSettings,
        where: str,
        bus: Bus,
        clock: Clock,
        trouble: Callable[[str, str | None], None],
        failed: Callable[[str, str, BaseException], None],
        hide: Callable[[str], str] = str,
    ) -> None:
        self.ledger = Ledger()
        self.logbook = Logbook(line, clock, self.deliver, hide)
        self._settings = settings
        self._bus = bus
        self._clock = clock
        self._trouble = trouble
        self._failed = failed
        self._hide = hide
        # Replaced as a whole, never changed: workers go through them while a reload brings others.
        self._lanes: Mapping[str, Lane] = {}
        self._live_lanes: Mapping[str, LiveLane] = {}
        self._before: Mapping[str, Balance] = {}  # the balance of each source when this run began
        self._settling: Mapping[str, Settling] = {}
        try:
            self._captured = CapturedCounts(None if path is None else path.parent / "captured")
            self.journal = Journal(
                path,
                settings=journal,
                memory_bytes=self._memory_bytes,
                clock=clock,
                settle=self._recorded,
                trouble=trouble,
                captured=self._captured.all,
            )
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"{where}: the journal {path} cannot be used: {error}; see that its folder can be written to"
            ) from None

    # Life

    def start(self, policy: Callable[[str], Policy], config_hash: str) -> None:
        """Begin to write and to deliver, and log what an earlier run has left; *policy* is that of a source."""
        self.logbook.follow(self._bus)
        self.journal.start()
        self.logbook.write(
            STARTED, f"the line started with configuration {config_hash[:12]}", None, {"hash": config_hash}
        )
        interrupted = self.journal.book_interrupted(self._captured, policy)
        self._before = self.journal.before
        for source, frames in interrupted.items():
            said = f"the line ended with {frames} frames of {source} on their way"
            self.logbook.write("interrupted", said, source, {"frames": frames})
        for name, waiting in self.journal.forget_strangers().items():
            said = f"sink {name} is no longer in the file; {waiting} deliveries that waited for it were let go"
            self.logbook.write("deliveries dropped", said, name, {"count": waiting})
        if (aside := self.journal.file.set_aside) is not None:
            said = f"it lies in {aside.name}, and {self.journal.file.salvaged} of its deliveries could be read"
            logger.error("the journal was damaged; %s", said)
            self._trouble("journal was damaged", f"the journal was damaged; {said}")
        for lane in self.lanes:
            lane.start()

    def close(self, deadline: float) -> None:
        """Deliver, settle and end, as far as that is done by *deadline* on the line's monotonic clock."""
        self.journal.wait_until_written(deadline - self._clock.monotonic())
        for settling in self._settling.values():  # what goes wrong there is for the log, and the lanes take that
            settling.wait_until_told(deadline - self._clock.monotonic())
        self.log_ledger()
        self.logbook.write("line stopped", f"the line stopped: {self.ledger.balance()}")
        self.journal.wait_until_written(deadline - self._clock.monotonic())
        for lane in self.lanes:
            lane.close()
        for lane in self.lanes:
            lane.join(deadline - self._clock.monotonic())
        self.journal.close(deadline - self._clock.monotonic())
        for settling in self._settling.values():
            settling.close(deadline - self._clock.monotonic())
        self._captured.close()

    def log_ledger(self) -> None:
        """Write the balance of each source since the line started into the log, for the history."""
        for source in self.ledger.sources:
            balance = self.ledger.balance(source)
            detail: dict[str, str | int | float | None] = {
                "captured": balance.captured,
                "recorded": balance.recorded,
                "dropped": sum(balance.dropped.values()),
                "in_flight": balance.in_flight,
            }
            self.logbook.write("ledger", f"{source}: {balance}", source, detail)

    def give_up(self) -> None:
        """Close what a line has opened that does not start."""
        self.journal.close(0)
        self._captured.close()

    # The way of a frame

    def capture(self, frame: Frame, source: str) -> bool:
        """Count a frame in; False where there is nothing to inspect: it is safe already, or on its way."""
        if self.journal.is_settled(frame.id):
            self._settling[source].put(frame, RECORDED)  # it was safe before its source was told
            return False
        if not self.ledger.capture(source, frame.id):
            return False  # a sender was impatient: the settlement of the same frame answers both
        self._captured.add(source)
        return True

    def wait_for_room(self, source: str, timeout_s: float) -> bool:
        """Wait until *source* has been told enough of its frames to get more of them in."""
        return self._settling[source].wait_for_room(timeout_s)

    def has_room_for(self, inspection: Inspection) -> bool:
        """Say whether an inspection can be kept: not where neither disk, nor sinks, nor memory have room for it."""
        return not self.journal.is_full_for(inspection)

    def deliver(self, delivery: Delivery, arrival: Arrival | None = None, *, wait: bool = True) -> None:
        """Hand a delivery to every sink; *arrival* is the frame whose source is told once it is safe."""
        for lane in self._live_lanes.values():
            lane.offer(delivery)
        counts_as = None if arrival is None else (arrival.source, COUNTED_AS_RECORDED)
        self.journal.append(delivery, arrival=arrival, counts_as=counts_as, wait=wait)

    def drop(self, arrival: Arrival, reason: str) -> None:
        """Let a frame go, and tell everybody why."""
        frame, source = arrival.frame, arrival.source
        arrival.answer()  # there is no verdict on it, not even at its deadline
        if not self.ledger.settle(source, frame.id, Outcome(dropped=reason)):
            return
        self._bus.publish(FrameDropped(frame, reason))
        detail: dict[str, str | int | float | None] = {
            "frame_id": frame.id,
            "sequence": frame.sequence,
            "captured_at": frame.captured_at.isoformat(),
            "reason": reason,
        }
        entry = self.logbook.entry(DROPPED, f"{frame.id} dropped: {reason}", source, detail)
        self.journal.append(entry, counts_as=(source, reason))
        self._settling[source].put(frame, Outcome(dropped=reason))

    def _recorded(self, arrival: Arrival) -> None:
        """A frame is safe: its source may know."""
        if self.ledger.settle(arrival.source, arrival.frame.id, RECORDED):
            self._settling[arrival.source].put(arrival.frame, RECORDED)

    # Sinks and sources that come and go

    @property
    def lanes(self) -> list[Lane | LiveLane]:
        """Every lane: those that the journal keeps deliveries for, then those that are for the moment."""
        return [*self._lanes.values(), *self._live_lanes.values()]

    def lane(self, name: str) -> Lane | LiveLane | None:
        """Return the lane of a sink, or None where there is none."""
        return self._lanes.get(name) or self._live_lanes.get(name)

    def add_lane(self, name: str, roster: Roster) -> Lane | LiveLane:
        """Make the lane of a sink, not yet started."""
        sink = RosterSink(roster, name)
        if roster.is_live(name):
            live = LiveLane(name, sink, limits=self._limits, bus=self._bus, hide=self._hide)
            self._live_lanes = {**self._live_lanes, name: live}
            self.logbook.live = frozenset(self._live_lanes)
            return live
        lane = Lane(
            name,
            sink,
            limits=self._limits,
            bus=self._bus,
            clock=self._clock,
            journal=self.journal,
            trouble=self._trouble,
            hide=self._hide,
        )
        self._lanes = {**self._lanes, name: lane}
        return lane

    def remove_lane(self, name: str, timeout_s: float) -> None:
        """Let a sink have what waits for it, for so long, and end its lane."""
        lane = self.lane(name)
        assert lane is not None
        lane.close()
        left = lane.join(timeout_s)
        self._lanes = {known: one for known, one in self._lanes.items() if known != name}
        self._live_lanes = {known: one for known, one in self._live_lanes.items() if known != name}
        self._trouble(f"sink {name} is away", None)
        if not lane.live:
            self.journal.remove_lane(name, forget=True)
            if left:
                self._bus.publish(DeliveriesDropped(name, left, "the sink was removed from the file"))

    def change_lanes(self, before: Roster, after: Roster, gone: Sequence[str], new: Sequence[str]) -> None:
        """Give each sink that comes its lane, each that has changed its successor, each that goes its last words."""
        sinks = after.answering(*SINK_HOOKS)
        for name in before.answering(*SINK_HOOKS):
            if name not in gone:
                continue
            lane = self.lane(name)
            if lane is not None and name in sinks and after.is_live(name) is lane.live:
                lane.use(RosterSink(after, name))
            else:
                self.remove_lane(name, self._settings.drain_timeout_s)
        for name in sinks:
            if name in new and self.lane(name) is None:
                self.add_lane(name, after).start()

    def tell(self, source: str, roster: Roster) -> None:
        """Tell *source* of its frames from now on, through *roster*."""
        if (settling := self._settling.get(source)) is not None:
            settling.close(self._settings.sink_timeout_s)
        fresh = Settling(
            source,
            lambda frame, outcome: roster.ask(source, "settle", frame=frame, outcome=outcome),
            timeout_s=self._settings.sink_timeout_s,
            failed=self._failed,
        )
        self._settling = {**self._settling, source: fresh}
        self.journal.expect(source)

    def use(self, settings: LineSettings, journal: JournalSettings) -> None:
        """Keep to other limits from now on."""
        self._settings = settings
        self.journal.use(journal, self._memory_bytes)
        for lane in self.lanes:
            lane.limits = self._limits

    # How it is

    @property
    def states(self) -> list[LaneState]:
        """How each lane is, in order."""
        return [lane.state for lane in self.lanes]

    @property
    def idle(self) -> bool:
        """True where nothing is on its way any more, but to sinks that are away."""
        waiting = [one for one in (lane.state for lane in self._lanes.values()) if one.waiting]
        return not self.ledger.balance().in_flight and all(one.state == "away" for one in waiting)

    @property
    def undelivered(self) -> dict[str, int]:
        """How many deliveries each sink has lost."""
        return {one.sink: one.dropped for one in self.states if one.dropped}

    @property
    def left_for_later(self) -> dict[str, int]:
        """How many deliveries the journal keeps for each sink."""
        return {name: waiting for name, lane in self._lanes.items() if (waiting := lane.state.waiting)}

    @property
    def captured(self) -> Mapping[str, int]:
        """How many frames each source has captured since the journal began."""
        return self._captured.all()

    @property
    def total(self) -> dict[str, Balance]:
        """The balance of each source since the journal began: what was before, and this run's own ledger."""
        nothing = Balance()
        sources = dict.fromkeys((*self._before, *self.ledger.sources))
        return {source: self._before.get(source, nothing).and_then(self.ledger.balance(source)) for source in sources}

    @property
    def balance(self) -> Balance:
        """What the ledger says now."""
        return self.ledger.balance()

    @property
    def _memory_bytes(self) -> int:
        return int(self._settings.lane_mb * MIB)

    @property
    def _limits(self) -> LaneLimits:
        return LaneLimits(self._memory_bytes, self._settings.sink_timeout_s, self._settings.sink_attempts)
