"""A line: sources -> intake -> workers -> journal -> lanes; start, drain, stop."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event as Flag
from threading import RLock
from typing import Self

from linecore.alarms import Alarm, AlarmBoard, AlarmRule, AlarmState, Priority
from linecore.aside import Aside
from linecore.bus import Bus
from linecore.checks import check_complete, check_names, remarks
from linecore.clock import Clock, SystemClock
from linecore.config import LineConfig, LineSettings, PluginTable
from linecore.deadlines import Deadlines
from linecore.decision import DecisionRules
from linecore.dispatch import SINK_HOOKS, Dispatch
from linecore.errors import ConfigError, LinecoreError
from linecore.events import (
    AlarmCleared,
    AlarmRaised,
    FrameCaptured,
    InspectionCompleted,
    LineStarted,
    LineStopped,
    PluginFailed,
    SequenceGap,
    VerdictReached,
)
from linecore.framing import Framing
from linecore.health import PluginHealth
from linecore.inspection import Frame, Image, Inspection, Part, Truth
from linecore.inspector import Inspector
from linecore.intake import Arrival, Intake, Policy
from linecore.journal_settings import JournalSettings
from linecore.ledger import Balance
from linecore.plugins import create_plugin
from linecore.roster import Roster
from linecore.setup import Setup
from linecore.sources import Sources
from linecore.state import journal_path, state_folder
from linecore.turns import TurnEnded, own_work
from linecore.watch import Watch
from linecore.workers import Unwatched, Workers

logger = logging.getLogger(__name__)

ASIDE_S = 0.5  # how long who looks after the others waits for the handlers of an event
ROOM_S = 0.25  # how long a source waits for room before it is asked again whether it is to stop

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
        self.where = where
        self.started_at: datetime | None = None
        self._remembers = folder is not None
        self.config = config  # what plugins are made from again
        self._journal_settings = journal or JournalSettings()
        self.coming_config: LineConfig | None = None
        self.coming: Setup | None = None  # what is being prepared to take over
        self.setup = self.make_setup(settings, plugins, rules or DecisionRules(), alarms, config_hash, tables)
        self._framing = Framing(self.name, self.clock, self._gap)
        self.changing = RLock()  # held while plugins come and go
        self.intake = Intake(intake_of(settings))
        self.crew = Workers(
            workers_of(settings),
            self.intake,
            inspect=self._work,
            stuck=self._worker_stuck,
            timeout_s=settings.worker_timeout_s,
            clock=self.clock,
        )
        self._deadlines = Deadlines(self.clock, self._expired)
        self.feed = Sources(self.bus, accept=self._accept, failed=self._plugin_failed)
        self._aside = Aside(f"{self.name}: telling of a verdict")
        self.dispatch: Dispatch
        self.board: AlarmBoard
        self.watch: Watch

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
        return self.setup.rules.pass_labels

    @property
    def config_hash(self) -> str:
        """The sha256 of the configuration that the next frame is judged with, secrets left out."""
        return self.setup.config_hash

    @property
    def state_folder(self) -> Path:
        """A folder where this line's plugins may remember things; made when it is first asked for."""
        return state_folder(self.folder, self.name)

    def plugin_name(self, plugin: object) -> str:
        """Return the name of a plugin's table."""
        for setup in (self.coming, self.setup):
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
            origin=None if origin is None else self.hide(origin),
            truth=truth,
            sequence=sequence,
            stream=stream,
        )

    def log(
        self,
        plugin: object,
        kind: str,
        message: str,
        detail: Mapping[str, str | int | float | None] | None = None,
    ) -> None:
        """Write an entry of *plugin* into the line's log, which the history keeps: a few words, and one sentence."""
        with own_work():
            self.dispatch.logbook.write(kind, message, self.plugin_name(plugin), detail)

    # The way of a frame

    def inspect(self, frame: Frame, captured: float | None = None) -> Inspection:
        """Judge and explain one frame, captured at *captured* seconds of the line's monotonic clock (default: now).

        The verdict is published before the heat map is made. Nothing is stored: that is for the sinks.
        """
        with own_work():
            return self._inspect(Arrival(frame, self.clock.monotonic() if captured is None else captured, frame.source))

    def _inspect(self, arrival: Arrival) -> Inspection:
        with self.setup as setup:
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
        if not self.dispatch.capture(frame, source):
            self.dispatch.wait_for_room(source, ROOM_S)  # a thousand that were safe already are told at its pace
            return
        self.bus.publish(FrameCaptured(frame))
        self.board.frame_arrived(source)
        deadline_ms = self.setup.rules.deadline_ms
        due = None if deadline_ms is None else at + deadline_ms / 1000
        hold_s: float | None = getattr(self.setup.roster.get(source), "settle_after_s", None)
        arrival = Arrival(frame, at, source, due, hold_s)
        self._deadlines.add(arrival)
        while policy == "wait" and not stopping.is_set() and not self.dispatch.wait_for_room(source, ROOM_S):
            pass  # a source that is not told what became of its frames gets no more of them in
        if policy == "newest" and not self.dispatch.wait_for_room(source, 0):
            self.dispatch.drop(arrival, "its source does not take note of what became of its frames")
        elif let_go := self.intake.offer(arrival, policy):
            self.dispatch.drop(let_go, OVERTAKEN)

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
                self.dispatch.drop(arrival, INTERNAL)

    def _keep(self, inspection: Inspection, arrival: Arrival, *, wait: bool = True) -> bool:
        """Give an inspection to the journal; False where somebody else has completed the frame."""
        no_room = self._policy(arrival.source) == "newest" and not self.dispatch.has_room_for(inspection)
        if not arrival.complete():
            return False
        if no_room:
            self.dispatch.drop(arrival, NOWHERE)
        else:
            self.dispatch.deliver(inspection, arrival, wait=wait)
        return True

    def _tell(self, inspection: Inspection, arrival: Arrival) -> None:
        self.board.observe(inspection, arrival.source)
        self.bus.publish(InspectionCompleted(inspection))

    def _expired(self, arrival: Arrival) -> None:
        """The deadline has come before the verdict: the gate hears so now, whatever the worker is busy with."""
        inspector = self.setup.inspector
        late = VerdictReached(inspector.give_up(arrival, inspector.late_reason(arrival)))
        self._aside.run(lambda: self.bus.publish(late), ASIDE_S)

    def _worker_stuck(self, arrival: Arrival, seconds: float) -> None:
        """Record a frame that a plugin keeps, and name the plugin."""
        self.watch.look_at_plugins()
        self._give_up(arrival, f"nobody has judged it for {seconds:.1f} s")

    def _give_up(self, arrival: Arrival, reason: str) -> None:
        """Record a frame as NO_RESULT; for threads that look after the others, and must not hang with a handler."""
        with self.setup as setup:
            inspection = setup.inspector.with_evidence(setup.inspector.give_up(arrival, reason))
        if arrival.answer():
            self._aside.run(lambda: self.bus.publish(VerdictReached(inspection)), ASIDE_S)
        if self._keep(inspection, arrival, wait=False):
            self._aside.run(lambda: self._tell(inspection, arrival), ASIDE_S)

    def _gap(self, source: str, stream: str, expected: int, got: int) -> None:
        self.bus.publish(SequenceGap(source, stream, expected, got))

    # Life

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order."""
        return tuple(self.setup.roster.answering("frames"))

    @property
    def exhausted(self) -> Flag:
        """Set once every source has run dry."""
        return self.feed.exhausted

    @property
    def idle(self) -> bool:
        """True where nothing is on its way any more, but to sinks that are away."""
        with own_work():
            return self.dispatch.idle

    @property
    def broken_sources(self) -> tuple[str, ...]:
        """The names of the sources that ended because they raised."""
        return tuple(self.feed.broken)

    @property
    def undelivered(self) -> dict[str, int]:
        """How many deliveries each sink has lost: they did not fit, failed, or were beyond the journal's limits."""
        with own_work():
            return self.dispatch.undelivered

    @property
    def left_for_later(self) -> dict[str, int]:
        """How many deliveries the journal keeps for each sink: the next start goes on with them."""
        with own_work():
            return self.dispatch.left_for_later

    @property
    def health(self) -> list[PluginHealth]:
        """How each plugin is, in order."""
        return self.setup.roster.health()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that are raised now."""
        return self.board.active

    @property
    def balance(self) -> Balance:
        """What the ledger says now."""
        return self.dispatch.balance

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
        roster = Roster(
            plugins, where=self.where, failed=self._plugin_failed, clock=self.clock, before=before, hide=self.hide
        )
        inspector = Inspector(
            roster,
            rules,
            settings,
            config_hash=config_hash,
            clock=self.clock,
            failed=self._plugin_failed,
            hide=self.hide,
        )
        return Setup(settings, rules, tuple(alarms), roster, inspector, config_hash, tables)

    def prepare(self, *, patient: Collection[str] = ()) -> None:
        """Start every plugin, in order, and let no frame in; on failure stop those that were started.

        Sinks among *patient* may be away: they are started when they are back.

        Raises:
            LinecoreError: what a plugin found wrong.
            ConfigError: the rules speak of a label that no classifier knows.
        """
        setup = self.setup
        setup.roster.start(self, patient=patient)
        try:
            check_names(setup.roster, setup.rules, setup.alarms)
        except ConfigError:
            setup.roster.stop()
            raise

    def release(self) -> None:
        """Stop every plugin that was started, the last one first."""
        self.setup.roster.stop()

    def remarks(self) -> list[str]:
        """Say what of the line's file has no effect or is unsafe, though not wrong, once the line is prepared."""
        return remarks(self.setup.roster, self.setup.rules)

    def check_complete(self) -> None:
        """Check that there is a line to speak of.

        Raises:
            ConfigError: the line has no source or no classifier.
        """
        check_complete(self.setup.roster)

    def start(self) -> None:
        """Prepare the plugins and let the frames in.

        Raises:
            ConfigError: the line has no source or no classifier, or its journal cannot be used.
            LinecoreError: what a plugin found wrong.
        """
        self.check_complete()
        roster = self.setup.roster
        self.dispatch = dispatch = self._make_dispatch()
        self.board = AlarmBoard(self.name, self.setup.alarms, self._alarm_changed, self.clock)
        self.watch = Watch(
            setup=lambda: self.setup,
            bus=self.bus,
            board=self.board,
            crew=self.crew,
            clock=self.clock,
            stranded=self._strand,
            log_ledger=dispatch.log_ledger,
        )
        try:
            # A sink that has worked before may be away when the power comes back: its deliveries wait in the journal.
            self.prepare(patient=dispatch.journal.file.cursors().keys() & set(roster.keepers()))
        except BaseException:
            dispatch.give_up()
            raise
        for name in roster.answering(*SINK_HOOKS):
            dispatch.add_lane(name, roster)
        for name in roster.answering("frames"):
            dispatch.tell(name, roster)
        self.started_at = self.clock.now()
        self.bus.publish(LineStarted(self.name, self.started_at))
        dispatch.start(self._policy, self.config_hash)
        self._deadlines.start()
        self.crew.start()
        self.watch.start()
        self.feed.start(roster, roster.answering("frames"))

    def stop(self) -> Balance:
        """Take no more frames, finish those that were taken, deliver, and stop the plugins.

        Waits for the sinks up to ``drain_timeout_s``; what a sink has not taken by then stays in the journal, and the
        next start goes on with it. Returns the last balance.
        """
        # A reload may hang in a plugin that does not start: stopping does not wait for it for ever.
        changing = self.changing.acquire(timeout=self.setup.settings.drain_timeout_s)
        deadline = self.clock.monotonic() + self.setup.settings.drain_timeout_s
        try:
            self.feed.stop()
            self.intake.close()
            self.crew.join(deadline)
            self.watch.stop(max(0.0, deadline - self.clock.monotonic()))
            self._deadlines.close(deadline - self.clock.monotonic())
            self.board.clear_all("the line stopped")
            self.dispatch.close(deadline)
            balance = self.balance
            self.bus.publish(LineStopped(self.name, self.clock.now(), balance))
            self.release()
            return balance
        finally:
            if changing:
                self.changing.release()

    def hide(self, text: str) -> str:
        """Return *text* without the secrets of the line's file."""
        for config in (self.config, self.coming_config):
            text = text if config is None else config.secrets.hide(text)
        return text

    def trouble(self, name: str, sentence: str | None) -> None:
        """Raise an alarm of the line's own, or clear it where *sentence* is None."""
        if sentence is None:
            self.board.clear_own(name, "it is over")
        else:
            priority = Priority.CRITICAL if name.startswith("journal") else Priority.HIGH
            self.board.raise_own(name, priority, sentence)

    def _make_dispatch(self) -> Dispatch:
        return Dispatch(
            self.name,
            journal_path(self.folder, self.name) if self._remembers else None,
            settings=self.setup.settings,
            journal=self._journal_settings,
            where=self.where,
            bus=self.bus,
            clock=self.clock,
            trouble=self.trouble,
            failed=self._plugin_failed,
            hide=self.hide,
        )

    def _policy(self, source: str) -> Policy:
        plugin = self.setup.roster.get(source)
        policy: Policy = getattr(plugin, "policy", "wait")
        return policy

    def _alarm_changed(self, alarm: Alarm) -> None:
        self.bus.publish(AlarmCleared(alarm) if alarm.state is AlarmState.CLEARED else AlarmRaised(alarm))
        self.dispatch.deliver(alarm)

    def _strand(self) -> None:
        for arrival in self.intake.take_all():
            self._give_up(arrival, "no worker is left to judge it")

    def _plugin_failed(self, name: str, hook: str, error: BaseException) -> None:
        # A domain error says it all in its sentence; anything else is a bug, whose traceback is wanted.
        traceback = None if isinstance(error, LinecoreError) else error
        with own_work():
            logger.error("plugin %s failed in %s: %s", name, hook, error, exc_info=traceback)
            self.bus.publish(PluginFailed(name, hook, self.hide(f"{type(error).__name__}: {error}")))


def workers_of(settings: LineSettings) -> int:
    """Return how many threads inspect."""
    return settings.workers or os.cpu_count() or 1


def intake_of(settings: LineSettings) -> int:
    """Return how many frames wait for a worker at most."""
    return settings.intake or 2 * workers_of(settings)
