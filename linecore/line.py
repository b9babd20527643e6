"""A line: sources -> intake -> workers -> lanes; start, drain, stop."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Self

from linecore.alarms import Alarm, AlarmBoard, AlarmRule, AlarmState
from linecore.bus import Bus
from linecore.checks import check_complete, check_names, remarks
from linecore.clock import Clock, SystemClock
from linecore.config import LineConfig, LineSettings
from linecore.decision import DecisionRules
from linecore.errors import ConfigError, LinecoreError
from linecore.events import (
    AlarmCleared,
    AlarmRaised,
    FrameCaptured,
    FrameDropped,
    InspectionCompleted,
    LineStarted,
    LineStopped,
    PluginFailed,
    VerdictReached,
)
from linecore.framing import Framing
from linecore.inspection import Frame, Image, Inspection, Part, Truth
from linecore.inspector import Inspector
from linecore.intake import Arrival, Intake, Policy
from linecore.journal import Journal
from linecore.lanes import Lane, LaneLimits
from linecore.ledger import RECORDED, Balance, Ledger, Outcome
from linecore.plugins import create_plugin
from linecore.roster import Roster, RosterSink
from linecore.sources import Sources
from linecore.state import state_folder

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25  # how often alarms that time alone can change, and busy sinks, are looked at


class Line:
    """One production line: its plugins, its bus, its ledger, its threads.

    *plugins* are instances by name, in the order in which they are asked. Nothing is shared between two lines.

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
        folder: Path | None = None,
        config_hash: str = "",
        where: str = "line.toml",
        until_exhausted: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.name = settings.name
        self.until_exhausted = until_exhausted  # sources take what is there, and wait for nothing new
        self.folder = folder or Path.cwd()
        self.config_hash = config_hash
        self.clock: Clock = clock or SystemClock()
        self.bus = Bus()
        self.ledger = Ledger()
        self._settings = settings
        self._rules = rules or DecisionRules()
        self._alarm_rules = tuple(alarms)
        self._alarms: AlarmBoard
        self._roster = Roster(plugins, where=where, failed=self._plugin_failed)
        self._inspector = Inspector(
            self._roster.hook,
            self._rules,
            settings,
            config_hash=config_hash,
            clock=self.clock,
            publish=self.bus.publish,
        )
        self._stopped = Flag()
        self._framing = Framing(self.name, self.clock)
        workers = settings.workers or os.cpu_count() or 1
        self._intake = Intake(settings.intake or 2 * workers)
        self._durable_sinks = self._roster.durable_sinks()
        self._journal = Journal(self._durable_sinks, lambda frame: self._settle(frame, RECORDED))
        self._lanes = {name: self._lane(name) for name in self._roster.answering("record", "notify")}
        self._recording = [self._lanes[name] for name in self._roster.answering("record")]
        self._notifying = [self._lanes[name] for name in self._roster.answering("notify")]
        self._workers = [Thread(target=self._work, name=f"worker {n}", daemon=True) for n in range(workers)]
        self._sources = Sources(self._roster, self.bus, accept=self._accept, failed=self._plugin_failed)
        self._watcher = Thread(target=self._watch, name="watcher", daemon=True)

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
            folder=config.folder,
            config_hash=config.hash,
            where=config.where,
            until_exhausted=until_exhausted,
            clock=clock,
        )

    # What plugins ask of their line

    @property
    def pass_labels(self) -> tuple[str, ...]:
        """Labels of good product."""
        return self._rules.pass_labels

    @property
    def state_folder(self) -> Path:
        """A folder where this line's plugins may remember things; made when it is first asked for."""
        return state_folder(self.folder, self.name)

    def plugin_name(self, plugin: object) -> str:
        """Return the name of a plugin's table."""
        return self._roster.name_of(plugin)

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
    ) -> Frame:
        """Make a frame of the source *plugin*.

        *key* names it among all frames of this source, for ever: the same key is the same frame. Give either *image*
        (uint8, HxW or HxWx3 BGR) or *encoded* (the bytes of a JPEG, PNG, BMP or TIFF file).

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
        )

    # The way of a frame

    def inspect(self, frame: Frame, captured: float | None = None) -> Inspection:
        """Judge and explain one frame, captured at *captured* seconds of the line's monotonic clock (default: now).

        The verdict is published before the heat map is made. Nothing is stored: that is for the sinks.
        """
        judged, classification = self._inspector.judge(frame, self.clock.monotonic() if captured is None else captured)
        self.bus.publish(VerdictReached(judged))
        return self._inspector.explain(judged, classification)

    def _accept(self, frame: Frame, policy: Policy) -> None:
        captured = self.clock.monotonic()
        if not self.ledger.capture(frame.source, frame.id):
            return  # a sender was impatient: the same frame is on its way, and its settlement answers both
        self.bus.publish(FrameCaptured(frame))
        self._alarms.frame_arrived(frame.source)
        if let_go := self._intake.offer(Arrival(frame, captured), policy):
            self._settle(let_go, Outcome(dropped="overtaken by a newer frame"))

    def _work(self) -> None:
        """One worker: inspect what the intake holds until it is closed and empty."""
        while arrival := self._intake.take():
            try:
                self._complete(self.inspect(arrival.frame, arrival.at))
            except (
                BaseException
            ) as error:  # a mistake of the line's own must cost one frame, loudly, and not the worker
                self._plugin_failed("linecore", "inspect", error)
                self._journal.forget(arrival.frame)
                self._settle(arrival.frame, Outcome(dropped="internal error"))

    def _complete(self, inspection: Inspection) -> None:
        self._alarms.observe(inspection)
        self.bus.publish(InspectionCompleted(inspection))
        self._journal.append(inspection)
        for lane in self._recording:
            lane.offer(inspection)

    def _settle(self, frame: Frame, outcome: Outcome) -> None:
        if not self.ledger.settle(frame.source, frame.id, outcome):
            return
        if outcome.dropped is not None:
            self.bus.publish(FrameDropped(frame, outcome.dropped))
        if settle := self._roster.caller(frame.source, "settle"):
            try:
                settle(frame=frame, outcome=outcome)
            except BaseException as error:
                self._plugin_failed(frame.source, "settle", error)

    def _alarm_changed(self, alarm: Alarm) -> None:
        self.bus.publish(AlarmCleared(alarm) if alarm.state is AlarmState.CLEARED else AlarmRaised(alarm))
        for lane in self._notifying:
            lane.offer(alarm)

    # Life

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order."""
        return self._sources.names

    @property
    def exhausted(self) -> Flag:
        """Set once every source has run dry."""
        return self._sources.exhausted

    @property
    def broken_sources(self) -> tuple[str, ...]:
        """The names of the sources that ended because they raised."""
        return tuple(self._sources.broken)

    @property
    def undelivered(self) -> dict[str, int]:
        """How many inspections and alarms each sink has lost: they did not fit, failed too often, or came too late."""
        return {name: lane.dropped for name, lane in self._lanes.items() if lane.dropped}

    @property
    def balance(self) -> Balance:
        """What the ledger says now."""
        return self.ledger.balance()

    def prepare(self) -> None:
        """Start every plugin, in order, and let no frame in; on failure stop those that were started.

        Raises:
            LinecoreError: what a plugin found wrong.
            ConfigError: the rules speak of a label that no classifier knows.
        """
        self._roster.start(self)
        try:
            check_names(self._roster, self._rules, self._alarm_rules)
        except ConfigError:
            self._roster.stop()
            raise

    def release(self) -> None:
        """Stop every plugin that was started, the last one first."""
        self._roster.stop()

    def remarks(self) -> list[str]:
        """Say what of the line's file has no effect or is unsafe, though not wrong, once the line is prepared."""
        return remarks(self._roster, self._rules)

    def check_complete(self) -> None:
        """Check that there is a line to speak of.

        Raises:
            ConfigError: the line has no source or no classifier.
        """
        check_complete(self._roster)

    def start(self) -> None:
        """Prepare the plugins and let the frames in.

        Raises:
            ConfigError: the line has no source or no classifier.
            LinecoreError: what a plugin found wrong.
        """
        self.check_complete()
        self.prepare()
        self._alarms = AlarmBoard(self.name, self._alarm_rules, self._alarm_changed, self.clock)
        self.bus.publish(LineStarted(self.name, self.clock.now()))
        for lane in self._lanes.values():
            lane.start()
        for thread in (*self._workers, self._watcher):
            thread.start()
        self._sources.start()

    def stop(self) -> Balance:
        """Take no more frames, finish those that were taken, deliver, and stop the plugins.

        Waits for the sinks up to ``drain_timeout_s``; what a durable sink has not stored by then stays unsettled, so
        that its source offers it again. Returns the last balance.
        """
        self._sources.stop()
        self._intake.close()
        deadline = self.clock.monotonic() + self._settings.drain_timeout_s
        for thread in self._workers:
            thread.join(max(0.0, deadline - self.clock.monotonic()))
        self._stopped.set()
        self._watcher.join()
        self._alarms.clear_all("the line stopped")
        for lane in self._lanes.values():
            lane.close()
        for lane in self._lanes.values():
            lane.join(deadline - self.clock.monotonic())
        balance = self.balance
        self.bus.publish(LineStopped(self.name, self.clock.now(), balance))
        self.release()
        return balance

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self._alarms.tick()
            for lane in self._lanes.values():
                lane.check_stall()

    def _lane(self, name: str) -> Lane:
        settings = self._settings
        return Lane(
            name,
            RosterSink(self._roster, name),
            durable=name in self._durable_sinks,
            limits=LaneLimits(int(settings.lane_mb * 1024 * 1024), settings.sink_timeout_s, settings.sink_attempts),
            bus=self.bus,
            clock=self.clock,
            delivered=self._journal.strike_off,
        )

    def _plugin_failed(self, name: str, hook: str, error: BaseException) -> None:
        # A domain error says it all in its sentence; anything else is a bug, whose traceback is wanted.
        traceback = None if isinstance(error, LinecoreError) else error
        logger.error("plugin %s failed in %s: %s", name, hook, error, exc_info=traceback)
        self.bus.publish(PluginFailed(name, hook, f"{type(error).__name__}: {error}"))
