"""A line: sources -> intake -> workers -> journal -> lanes; start, drain, stop."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event as Flag
from threading import RLock, Thread
from typing import Self

from linecore.alarms import Alarm, AlarmBoard, AlarmRule, AlarmState, Priority
from linecore.bus import Bus
from linecore.captured import CapturedCounts
from linecore.checks import check_complete, check_names, remarks
from linecore.clock import Clock, SystemClock
from linecore.config import LineConfig, LineSettings, PluginTable
from linecore.deadlines import Deadlines
from linecore.decision import DecisionRules
from linecore.errors import ConfigError, LinecoreError
from linecore.events import (
    AlarmCleared,
    AlarmRaised,
    DeliveriesDropped,
    FrameCaptured,
    FrameDropped,
    InspectionCompleted,
    LineStarted,
    LineStopped,
    PluginFailed,
    PluginStuck,
    SequenceGap,
    VerdictReached,
)
from linecore.framing import Framing
from linecore.health import PluginHealth
from linecore.inspection import Frame, Image, Inspection, Part, Truth
from linecore.inspector import Inspector
from linecore.intake import Arrival, Intake, Policy
from linecore.journal import RECORDED as COUNTED_AS_RECORDED
from linecore.journal import Journal, JournalSettings
from linecore.lanes import Lane, LaneLimits, LaneState
from linecore.ledger import RECORDED, Balance, Ledger, Outcome
from linecore.live_lanes import LiveLane
from linecore.log import DROPPED, STARTED, LogEntry
from linecore.logbook import Logbook
from linecore.plugins import create_plugin
from linecore.roster import Roster, RosterSink
from linecore.settling import Settling
from linecore.setup import Setup
from linecore.sources import Sources
from linecore.state import journal_path, state_folder
from linecore.turns import TurnEnded
from linecore.workers import Unwatched, Workers

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25  # how often alarms that time alone can change, and busy plugins, are looked at

NOWHERE = "nowhere to record it: the journal's disk is full and its sinks are away"
OVERTAKEN = "overtaken by a newer frame"
INTERNAL = "internal error"


class Line:
    """One production line: its plugins, its bus, its journal, its ledger, its threads.

    *plugins* are instances by name, in the order in which they are asked. Nothing is shared between two lines. Without
    a *folder* the journal is kept in memory, and nothing outlives the process.

    Raises:
        ConfigError: a plugin answers a hook that does not exist, or none at all.
    """

    def __init__(
        self,
        settings: LineSettings,
        plugins: Mapping[str, object],
        *,
        rules: DecisionRules | None = None,
        alarms: Sequence[AlarmRule] = (),
        journal: JournalSettings | None = None,
        folder: Path | None = None,
        config_hash: str = "",
        where: str = "line.toml",
        until_exhausted: bool = False,
        clock: Clock | None = None,
        tables: tuple[PluginTable, ...] = (),
        config: LineConfig | None = None,
    ) -> None:
        self.name = settings.name
        self.until_exhausted = until_exhausted  # sources take what is there, and wait for nothing new
        self.folder = folder or Path.cwd()
        self.clock: Clock = clock or SystemClock()
        self.bus = Bus()
        self.ledger = Ledger()
        self.where = where
        self.started_at: datetime | None = None
        self._remembers = folder is not None
        self._config = config  # what plugins are made from again
        self._journal_settings = journal or JournalSettings()
        self._coming: Setup | None = None  # what is being prepared to take over
        self._setup = self.make_setup(settings, plugins, rules or DecisionRules(), alarms, config_hash, tables)
        self._framing = Framing(self.name, self.clock, self._gap)
        self._stopped = Flag()
        self.changing = RLock()  # held while plugins come and go
        count = settings.workers or os.cpu_count() or 1
        self._intake = Intake(settings.intake or 2 * count)
        self._workers = Workers(
            count,
            self._intake,
            inspect=self._work,
            stuck=self._worker_stuck,
            timeout_s=settings.worker_timeout_s,
            clock=self.clock,
        )
        self._deadlines = Deadlines(self.clock, self._expired)
        self._sources = Sources(self.bus, accept=self._accept, failed=self._plugin_failed)
        self._watcher = Thread(target=self._watch, name="watcher", daemon=True)
        self._lanes: dict[str, Lane] = {}
        self._live_lanes: dict[str, LiveLane] = {}
        self._settling: dict[str, Settling] = {}
        self._stuck_told: set[tuple[int, float]] = set()
        self._logbook = Logbook(self.name, self.clock, lambda entry: self._deliver(entry))
        self._journal: Journal
        self._captured: CapturedCounts
        self._alarms: AlarmBoard

    @classmethod
    def from_config(cls, config: LineConfig, *, until_exhausted: bool = False, clock: Clock | None = None) -> Self:
        """Make a line and its plugins from its file.

        Raises:
            ConfigError: a plugin cannot be found, its options are wrong, or its hooks are.
        """
        plugins = {table.name: create_plugin(table, config) for table in config.plugins}
        return cls(
            config.line,
            plugins,
            rules=config.decision,
            alarms=config.alarms,
            journal=config.journal,
            folder=config.folder,
            config_hash=config.hash,
            where=config.where,
            until_exhausted=until_exhausted,
            clock=clock,
            tables=config.plugins,
            config=config,
        )

    # What plugins ask of their line

    @property
    def pass_labels(self) -> tuple[str, ...]:
        """Labels of good product."""
        return self._setup.rules.pass_labels

    @property
    def config_hash(self) -> str:
        """The sha256 of the configuration that the next frame is judged with, secrets left out."""
        return self._setup.config_hash

    @property
    def state_folder(self) -> Path:
        """A folder where this line's plugins may remember things; made when it is first asked for."""
        return state_folder(self.folder, self.name)

    def plugin_name(self, plugin: object) -> str:
        """Return the name of a plugin's table."""
        for setup in (self._coming, self._setup):
            if setup is not None and (name := setup.roster.name_of(plugin)) is not None:
                return name
        raise LookupError(f"{type(plugin).__name__} is no plugin of the line {self.name!r}")

    def frame(
        self,
        plugin: object,
        key: str,
        *,
        image: Image | None = None,
        encoded: bytes | None = None,
        captured_at: datetime | None = None,
        part: Part = Part(),  # noqa: B008  # frozen
        origin: str | None = None,
        truth: Truth | None = None,
        sequence: int | None = None,
        stream: str = "",
    ) -> Frame:
        """Make a frame of the source *plugin*.

        *key* names it among all frames of this source, for ever: the same key is the same frame. Give either *image*
        (uint8, HxW or HxWx3 BGR) or *encoded* (the bytes of a JPEG, PNG, BMP or TIFF file). A source that counts its
        frames itself gives its number as *sequence*, and where it has several senders whose as *stream*: a gap is told.

        Raises:
            ImageError: *image* has another dtype or shape.
        """
        return self._framing.frame(
            self.plugin_name(plugin),
            key,
            image=image,
            encoded=encoded,
            captured_at=captured_at,
            part=part,
            origin=origin,
            truth=truth,
            sequence=sequence,
            stream=stream,
        )

    # The way of a frame

    def inspect(self, frame: Frame, captured: float | None = None) -> Inspection:
        """Judge and explain one frame, captured at *captured* seconds of the line's monotonic clock (default: now).

        The verdict is published before the heat map is made. Nothing is stored: that is for the sinks.
        """
        return self._inspect(Arrival(frame, self.clock.monotonic() if captured is None else captured, frame.source))

    def _inspect(self, arrival: Arrival) -> Inspection:
        with self._setup as setup:
            if arrival.expired:  # its verdict is out: a worker has better to do than to find another
                return setup.inspector.with_evidence(
                    setup.inspector.give_up(arrival, setup.inspector.late_reason(arrival))
                )
            judged, classification, first = setup.inspector.judge(arrival)
            if first:
                self.bus.publish(VerdictReached(judged))
            return setup.inspector.explain(judged, classification)

    def _accept(self, frame: Frame, policy: Policy, source: str, stopping: Flag) -> None:
        at = self.clock.monotonic()
        if self._journal.is_settled(frame.id):
            self._settling[source].put(frame, RECORDED)  # it was safe before its source was told
            return
        if not self.ledger.capture(source, frame.id):
            return  # a sender was impatient: the same frame is on its way, and its settlement answers both
        self._captured.add(source)
        self.bus.publish(FrameCaptured(frame))
        self._alarms.frame_arrived(source)
        deadline_ms = self._setup.rules.deadline_ms
        arrival = Arrival(frame, at, source, None if deadline_ms is None else at + deadline_ms / 1000)
        self._deadlines.add(arrival)
        while policy == "wait" and not stopping.is_set() and not self._settling[source].wait_for_room(LOOK_EVERY_S):
            pass  # a source that is not told what became of its frames gets no more of them in
        if policy == "newest" and not self._settling[source].wait_for_room(0):
            self._drop(arrival, "its source does not take note of what became of its frames")
        elif let_go := self._intake.offer(arrival, policy):
            self._drop(let_go, OVERTAKEN)

    def _work(self, arrival: Arrival, unwatched: Unwatched) -> None:
        """Inspect one frame in a worker's thread, and hand on what was found."""
        try:
            inspection = self._inspect(arrival)
            with unwatched():  # the journal may have to wait for its disk
                if not self._keep(inspection, arrival):
                    return
            self._tell(inspection, arrival)
        except TurnEnded:
            raise
        except BaseException as error:  # a mistake of the line's own must cost one frame, loudly, and not the worker
            self._plugin_failed("linecore", "inspect", error)
            if arrival.complete():
                self._drop(arrival, INTERNAL)

    def _keep(self, inspection: Inspection, arrival: Arrival, *, wait: bool = True) -> bool:
        """Give an inspection to the journal; False where somebody else has completed the frame."""
        no_room = self._policy(arrival.source) == "newest" and self._journal.is_full_for(inspection)
        if not arrival.complete():
            return False
        if no_room:
            self._drop(arrival, NOWHERE)
        else:
            self._deliver(inspection, arrival, wait=wait)
        return True

    def _tell(self, inspection: Inspection, arrival: Arrival) -> None:
        self._alarms.observe(inspection, arrival.source)
        self.bus.publish(InspectionCompleted(inspection))

    def _deliver(
        self, delivery: Inspection | Alarm | LogEntry, arrival: Arrival | None = None, *, wait: bool = True
    ) -> None:
        for lane in self._live_lanes.values():
            lane.offer(delivery)
        counts_as = None if arrival is None else (arrival.source, COUNTED_AS_RECORDED)
        self._journal.append(delivery, arrival=arrival, counts_as=counts_as, wait=wait)

    def _recorded(self, arrival: Arrival) -> None:
        """A frame is safe: its source may know."""
        if self.ledger.settle(arrival.source, arrival.frame.id, RECORDED):
            self._settling[arrival.source].put(arrival.frame, RECORDED)

    def _drop(self, arrival: Arrival, reason: str) -> None:
        frame, source = arrival.frame, arrival.source
        arrival.answer()  # there is no verdict on it, not even at its deadline
        if not self.ledger.settle(source, frame.id, Outcome(dropped=reason)):
            return
        self.bus.publish(FrameDropped(frame, reason))
        detail: dict[str, str | int | float | None] = {
            "frame_id": frame.id,
            "sequence": frame.sequence,
            "captured_at": frame.captured_at.isoformat(),
            "reason": reason,
        }
        entry = self._logbook.entry(DROPPED, f"{frame.id} dropped: {reason}", source, detail)
        self._journal.append(entry, counts_as=(source, reason))
        self._settling[source].put(frame, Outcome(dropped=reason))

    def _expired(self, arrival: Arrival) -> None:
        """The deadline has come before the verdict: the gate hears so now, whatever the worker is busy with."""
        inspector = self._setup.inspector
        self.bus.publish(VerdictReached(inspector.give_up(arrival, inspector.late_reason(arrival))))

    def _worker_stuck(self, arrival: Arrival, seconds: float) -> None:
        """Record a frame that a plugin keeps, and name the plugin."""
        self._look_at_plugins()
        with self._setup as setup:
            inspection = setup.inspector.give_up(arrival, f"nobody has judged it for {seconds:.1f} s")
        if arrival.answer():
            self.bus.publish(VerdictReached(inspection))
        if self._keep(inspection, arrival, wait=False):  # who calls this looks after the other workers too
            self._tell(inspection, arrival)

    def _gap(self, source: str, stream: str, expected: int, got: int) -> None:
        self.bus.publish(SequenceGap(source, stream, expected, got))

    # Life

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order."""
        return tuple(self._setup.roster.answering("frames"))

    @property
    def exhausted(self) -> Flag:
        """Set once every source has run dry."""
        return self._sources.exhausted

    @property
    def idle(self) -> bool:
        """True where nothing is on its way any more, but to sinks that are away."""
        return not self.balance.in_flight and all(
            not one.waiting or one.state == "away" for one in self.lane_states if one.sink not in self._live_lanes
        )

    @property
    def broken_sources(self) -> tuple[str, ...]:
        """The names of the sources that ended because they raised."""
        return tuple(self._sources.broken)

    @property
    def undelivered(self) -> dict[str, int]:
        """How many deliveries each sink has lost: they did not fit, failed, or were beyond the journal's limits."""
        return {one.sink: one.dropped for one in self.lane_states if one.dropped}

    @property
    def left_for_later(self) -> dict[str, int]:
        """How many deliveries the journal keeps for each sink: the next start goes on with them."""
        return {one.sink: one.waiting for one in self.lane_states if one.waiting and one.sink in self._lanes}

    @property
    def setup(self) -> Setup:
        """What the next frame is judged with."""
        return self._setup

    @property
    def journal(self) -> Journal:
        """The journal of a line that runs."""
        return self._journal

    @property
    def captured(self) -> Mapping[str, int]:
        """How many frames each source has captured since the journal began."""
        return self._captured.all()

    @property
    def health(self) -> list[PluginHealth]:
        """How each plugin is, in order."""
        return self._setup.roster.health()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that are raised now."""
        return self._alarms.active

    @property
    def running_sources(self) -> list[str]:
        """The names of the sources that may yield more frames."""
        return self._sources.running

    @property
    def waiting_frames(self) -> int:
        """How many frames wait for a worker."""
        return len(self._intake)

    @property
    def workers(self) -> int:
        """How many threads inspect."""
        return self._workers.count

    @property
    def workers_left_behind(self) -> int:
        """How many threads hang in a plugin that does not give them back."""
        return self._workers.left_behind

    @property
    def lane_states(self) -> list[LaneState]:
        """How each sink's lane is, in order."""
        return [lane.state for lane in self._all_lanes()]

    @property
    def balance(self) -> Balance:
        """What the ledger says now."""
        return self.ledger.balance()

    def make_setup(
        self,
        settings: LineSettings,
        plugins: Mapping[str, object],
        rules: DecisionRules,
        alarms: Sequence[AlarmRule],
        config_hash: str,
        tables: tuple[PluginTable, ...],
        before: Roster | None = None,
    ) -> Setup:
        """Put plugins and rules together.

        Raises:
            ConfigError: a plugin answers a hook that does not exist, or none at all.
        """
        roster = Roster(plugins, where=self.where, failed=self._plugin_failed, clock=self.clock, before=before)
        inspector = Inspector(
            roster, rules, settings, config_hash=config_hash, clock=self.clock, failed=self._plugin_failed
        )
        return Setup(settings, rules, tuple(alarms), roster, inspector, config_hash, tables)

    def prepare(self, *, patient: Collection[str] = ()) -> None:
        """Start every plugin, in order, and let no frame in; on failure stop those that were started.

        Sinks among *patient* may be away: they are started when they are back.

        Raises:
            LinecoreError: what a plugin found wrong.
            ConfigError: the rules speak of a label that no classifier knows.
        """
        setup = self._setup
        setup.roster.start(self, patient=patient)
        try:
            check_names(setup.roster, setup.rules, setup.alarms)
        except ConfigError:
            setup.roster.stop()
            raise

    def release(self) -> None:
        """Stop every plugin that was started, the last one first."""
        self._setup.roster.stop()

    def remarks(self) -> list[str]:
        """Say what of the line's file has no effect or is unsafe, though not wrong, once the line is prepared."""
        return remarks(self._setup.roster, self._setup.rules)

    def check_complete(self) -> None:
        """Check that there is a line to speak of.

        Raises:
            ConfigError: the line has no source or no classifier.
        """
        check_complete(self._setup.roster)

    def start(self) -> None:
        """Prepare the plugins and let the frames in.

        Raises:
            ConfigError: the line has no source or no classifier, or its journal cannot be used.
            LinecoreError: what a plugin found wrong.
        """
        self.check_complete()
        self._open_journal()
        roster = self._setup.roster
        try:
            # A sink that has worked before may be away when the power comes back: its deliveries wait in the journal.
            self.prepare(patient=self._journal.file.cursors().keys() & set(roster.keepers()))
        except BaseException:
            self._journal.close(0)
            self._captured.close()
            raise
        self._alarms = AlarmBoard(self.name, self._setup.alarms, self._alarm_changed, self.clock)
        for name in roster.answering("record", "notify", "log"):
            self.add_lane(name, roster)
        for name in roster.answering("frames"):
            self.add_settling(name, roster)
        self._logbook.follow(self.bus)
        self._journal.start()
        self.started_at = self.clock.now()
        self.bus.publish(LineStarted(self.name, self.started_at))
        self._write_beginning()
        for lane in self._all_lanes():
            lane.start()
        self._deadlines.start()
        self._workers.start()
        self._watcher.start()
        self._sources.start(roster, roster.answering("frames"))

    def stop(self) -> Balance:
        """Take no more frames, finish those that were taken, deliver, and stop the plugins.

        Waits for the sinks up to ``drain_timeout_s``; what a sink has not taken by then stays in the journal, and the
        next start goes on with it. Returns the last balance.
        """
        with self.changing:
            deadline = self.clock.monotonic() + self._setup.settings.drain_timeout_s
            self._sources.stop()
            self._intake.close()
            self._workers.join(deadline)
            self._stopped.set()
            self._watcher.join(max(0.0, deadline - self.clock.monotonic()))
            self._deadlines.close()
            self._alarms.clear_all("the line stopped")
            self._journal.wait_until_written(deadline - self.clock.monotonic())
            self._logbook.write("line stopped", f"the line stopped: {self.balance}")
            self._journal.wait_until_written(deadline - self.clock.monotonic())
            lanes = self._all_lanes()
            for lane in lanes:
                lane.close()
            for lane in lanes:
                lane.join(deadline - self.clock.monotonic())
            self._journal.close(deadline - self.clock.monotonic())
            for settling in self._settling.values():
                settling.close(deadline - self.clock.monotonic())
            self._captured.close()
            balance = self.balance
            self.bus.publish(LineStopped(self.name, self.clock.now(), balance))
            self.release()
            return balance

    @contextmanager
    def coming(self, setup: Setup) -> Iterator[None]:
        """Know the plugins of *setup* by their names while they start."""
        self._coming = setup
        try:
            yield
        finally:
            self._coming = None

    def switch(
        self, after: Setup, kept: Sequence[str], gone: Sequence[str], new: Sequence[str], config: LineConfig
    ) -> None:
        """Go on with *after*, whose plugins are started but for its sources; see :mod:`linecore.reload`.

        Raises:
            LinecoreError: a source cannot be started; what was there is there again.
        """
        before = self._setup
        old_sources = [name for name in before.roster.answering("frames") if name in gone]
        new_sources = [name for name in after.roster.answering("frames") if name in new]
        self._sources.stop(old_sources)
        before.roster.stop(old_sources)
        try:
            after.roster.start(self, new_sources)
        except BaseException:
            after.roster.stop([name for name in new if name not in new_sources])
            self._bring_back(old_sources)
            raise
        after.roster.adopt([name for name in before.roster if name in kept])
        before.roster.disown(kept)
        self._setup, self._config = after, config
        self._alarms.use(after.alarms)
        self._take_settings(after.settings, config.journal)
        self._change_lanes(before, after, gone, new)
        for name in new_sources:
            if settling := self._settling.get(name):
                settling.close(after.settings.sink_timeout_s)
            self.add_settling(name, after.roster)
        self._sources.start(after.roster, new_sources)
        before.wait_until_unused(after.settings.worker_timeout_s)
        before.roster.stop([name for name in gone if name not in old_sources])

    def _bring_back(self, sources: Sequence[str]) -> None:
        """Start sources anew that had to make room for others, which then could not be started."""
        assert self._config is not None
        setup, tables = self._setup, {table.name: table for table in self._setup.tables}
        fresh = {name: create_plugin(tables[name], self._config) for name in sources}
        plugins = {name: fresh.get(name) or setup.roster[name] for name in setup.roster}
        restored = self.make_setup(
            setup.settings, plugins, setup.rules, setup.alarms, setup.config_hash, setup.tables, setup.roster
        )
        kept = [name for name in plugins if name not in fresh]
        with self.coming(restored):
            restored.roster.start(self, sources)
        restored.roster.adopt(kept)
        setup.roster.disown(kept)
        self._setup = restored
        for name in sources:
            self._settling[name].close(setup.settings.sink_timeout_s)
            self.add_settling(name, restored.roster)
        self._sources.start(restored.roster, sources)

    def _take_settings(self, settings: LineSettings, journal: JournalSettings) -> None:
        count = settings.workers or os.cpu_count() or 1
        self._workers.timeout_s = settings.worker_timeout_s
        self._workers.resize(count)
        self._intake.resize(settings.intake or 2 * count)
        self._journal.use(journal, self._memory_bytes)
        for lane in self._all_lanes():
            lane.limits = self._lane_limits

    def _change_lanes(self, before: Setup, after: Setup, gone: Sequence[str], new: Sequence[str]) -> None:
        """Give each sink that comes its lane, and each that goes its last words."""
        sinks = after.roster.answering("record", "notify", "log")
        for name in before.roster.answering("record", "notify", "log"):
            if name not in gone:
                continue
            if name in sinks and after.roster.is_live(name) is before.roster.is_live(name):
                if lane := self.lane(name):
                    lane.use(RosterSink(after.roster, name))
                continue
            lane = self.lane(name)
            assert lane is not None
            lane.close()
            left = lane.join(after.settings.drain_timeout_s)
            self._lanes.pop(name, None)
            self._live_lanes.pop(name, None)
            if not lane.live:
                self._journal.remove_lane(name, forget=True)
                if left:
                    self.bus.publish(DeliveriesDropped(name, left, "the sink was removed from the file"))
        for name in sinks:
            if name in new and name not in self._lanes and name not in self._live_lanes:
                self.add_lane(name, after.roster).start()

    def lane(self, name: str) -> Lane | LiveLane | None:
        """Return the lane of a sink, or None where there is none."""
        return self._lanes.get(name) or self._live_lanes.get(name)

    def note(self, kind: str, message: str) -> None:
        """Write an entry of this moment into the line's log."""
        self._logbook.write(kind, message)

    @property
    def _memory_bytes(self) -> int:
        return int(self._setup.settings.lane_mb * 1024 * 1024)

    @property
    def _lane_limits(self) -> LaneLimits:
        settings = self._setup.settings
        return LaneLimits(self._memory_bytes, settings.sink_timeout_s, settings.sink_attempts)

    def _all_lanes(self) -> list[Lane | LiveLane]:
        return [*self._lanes.values(), *self._live_lanes.values()]

    def add_lane(self, name: str, roster: Roster) -> Lane | LiveLane:
        """Make the lane of a sink, not yet started."""
        limits, sink = self._lane_limits, RosterSink(roster, name)
        if roster.is_live(name):
            self._live_lanes[name] = LiveLane(name, sink, limits=limits, bus=self.bus)
            self._logbook.live = frozenset(self._live_lanes)
            return self._live_lanes[name]
        lane = Lane(
            name,
            sink,
            limits=limits,
            bus=self.bus,
            clock=self.clock,
            journal=self._journal,
            trouble=lambda what, sentence: self.trouble(what, sentence),
        )
        self._lanes[name] = lane
        return lane

    def add_settling(self, name: str, roster: Roster) -> None:
        """Make what tells a source of its frames."""
        self._settling[name] = Settling(
            name,
            lambda frame, outcome: roster.ask(name, "settle", frame=frame, outcome=outcome),
            timeout_s=self._setup.settings.sink_timeout_s,
            failed=self._plugin_failed,
        )

    def trouble(self, name: str, sentence: str | None, priority: Priority = Priority.HIGH) -> None:
        """Raise an alarm of the line's own, or clear it where *sentence* is None."""
        if sentence is None:
            self._alarms.clear_own(name, "it is over")
        else:
            self._alarms.raise_own(name, priority, sentence)

    def _open_journal(self) -> None:
        path = journal_path(self.folder, self.name) if self._remembers else None
        where = f"{self.where}: the journal {path}"
        try:
            self._captured = CapturedCounts(None if path is None else path.parent / "captured")
            self._journal = Journal(
                path,
                settings=self._journal_settings,
                memory_bytes=self._memory_bytes,
                clock=self.clock,
                settle=self._recorded,
                trouble=lambda what, sentence: self.trouble(what, sentence, Priority.CRITICAL),
                captured=lambda: self._captured.all(),
            )
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"{where} cannot be used: {error}; see that its folder can be written to") from None

    def _write_beginning(self) -> None:
        """Say what an earlier run has left: frames on their way, sinks that are gone, a journal that was damaged."""
        self._logbook.write(STARTED, f"the line started with configuration {self.config_hash[:12]}")
        journal = self._journal
        for source, frames in journal.book_interrupted(self._captured, self._policy).items():
            said = f"the line ended with {frames} frames of {source} on their way"
            self._logbook.write("interrupted", said, source, {"frames": frames})
        for name, waiting in journal.forget_strangers().items():
            said = f"sink {name} is no longer in the file; {waiting} deliveries that waited for it were let go"
            self._logbook.write("deliveries dropped", said, name, {"count": waiting})
        if journal.file.set_aside is not None:
            self.trouble(
                "journal was damaged",
                f"the journal was damaged; it lies in {journal.file.set_aside.name}, and {journal.file.salvaged} of "
                "its deliveries could be read",
                Priority.CRITICAL,
            )

    def _policy(self, source: str) -> Policy:
        plugin = self._setup.roster.get(source)
        policy: Policy = getattr(plugin, "policy", "wait")
        return policy

    def _alarm_changed(self, alarm: Alarm) -> None:
        self.bus.publish(AlarmCleared(alarm) if alarm.state is AlarmState.CLEARED else AlarmRaised(alarm))
        self._deliver(alarm)

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self._alarms.tick()
            self._workers.check()
            self._look_at_plugins()

    def _look_at_plugins(self) -> None:
        """Name the plugins that are stuck, each call once, and raise their alarm while it lasts."""
        limit_s = min(self._setup.settings.worker_timeout_s, self._setup.settings.sink_timeout_s)
        stuck: set[tuple[int, float]] = set()
        for health in self._setup.roster.health():
            call = health.stuck(limit_s)
            alarm = f"plugin {health.plugin} is stuck"
            if call is None:
                self._alarms.clear_own(alarm, "it has returned")
                continue
            stuck.add(call.key)
            if call.key not in self._stuck_told:
                self.bus.publish(PluginStuck(health.plugin, call.hook, call.seconds))
            said = f"plugin {health.plugin} has not returned from {call.hook} for {call.seconds:.1f} s"
            self._alarms.raise_own(alarm, Priority.HIGH, said)
        self._stuck_told = stuck

    def _plugin_failed(self, name: str, hook: str, error: BaseException) -> None:
        # A domain error says it all in its sentence; anything else is a bug, whose traceback is wanted.
        traceback = None if isinstance(error, LinecoreError) else error
        logger.error("plugin %s failed in %s: %s", name, hook, error, exc_info=traceback)
        self.bus.publish(PluginFailed(name, hook, f"{type(error).__name__}: {error}"))
