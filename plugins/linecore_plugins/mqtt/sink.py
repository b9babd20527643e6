"""Sink and notifier: inspections, alarms, the line's state and its counts as JSON on an MQTT broker."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from linecore.alarms import Alarm
from linecore.errors import ConnectionFailedError
from linecore.events import ConfigChanged, Event, LineStarted, LineStopped
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Inspection
from linecore.log import STARTED, LogEntry
from linecore.messages import inspection_message
from linecore_plugins.mqtt.access import BrokerOptions, check_access
from linecore_plugins.mqtt.alarms import Body, StandingAlarms
from linecore_plugins.mqtt.connection import BrokerConnection
from linecore_plugins.mqtt.message import Message, as_json
from linecore_plugins.mqtt.state import LineState
from linecore_plugins.mqtt.stats import LineStats
from linecore_plugins.mqtt.topics import Level, Topics

if TYPE_CHECKING:
    from linecore.line import Line

REMEMBERED = 10_000  # frames that the broker has acknowledged, and that do not go again with a batch that comes again


class MqttSink:
    """Publishes inspections without their pictures, alarms, the line's state and its counts on an MQTT 5 broker.

    Topics are `linecore/v1/SITE/AREA/LINE/inspection`, `alarm/ID`, `state`, `stats` and `available`; all but the first
    are retained, and published again on each new connection.
    """

    pixels = False

    class Config(BrokerOptions):
        """The table of a broker."""

        site: Level = Field(description="the plant: third level of every topic")
        area: Level = Field(description="the part of it: fourth level of every topic")
        inspections: Literal["none", "rejects", "all"] = Field("all", description="which inspections to publish")
        alarms: bool = Field(True, description="publish every change of an alarm, retained")
        state: bool = Field(True, description="publish how the line is, retained")
        stats_s: float = Field(
            60, ge=0, le=86_400, description="seconds after which to publish the counts again, retained; 0: never"
        )
        cleared_keep_h: float = Field(
            24, gt=0, le=100_000, description="hours after which the broker forgets an alarm that was cleared"
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.remarks: tuple[str, ...] = ()
        self._held: OrderedDict[str, None] = OrderedDict()
        self._connection: BrokerConnection | None = None
        self._began = False
        self._line_stopped = False
        self._ends: list[Callable[[], None]] = []

    @hookimpl
    def start(self, line: Line) -> None:
        """See whether the broker lets the line in; the connection itself is made when the line runs.

        Not before: a line that is checked must not look available, and what a reload brings must not push out, under
        the same client id, what it replaces. A broker that is away comes later.
        """
        config = self.config
        name = line.plugin_name(self)
        key = f"plugins.{name}"
        check_access(config, key)
        self._line = line
        self._topics = topics = Topics(config.site, config.area, line.name)
        self._alarms = StandingAlarms(
            lambda: line.state_folder / f"{name}-alarms.json",
            topics,
            keep_s=3600 * config.cleared_keep_h,
            clock=line.clock,
        )
        self._connection = connection = BrokerConnection(
            config,
            key=key,
            client_id=config.client_id or f"linecore-{line.name}-{name}",
            will=self._available("offline"),
            standing=self._standing,
            last_words=self._last_words,
            refresh_s=config.stats_s or None,
        )
        try:
            connection.probe()
        except ConnectionFailedError as error:
            self.remarks = (f"{error}; it is tried again until it answers",)
        self._state = LineState(line, name, connection.wake)
        self._stats = LineStats(line)
        self._ends = [
            self._state.close,
            self._stats.close,
            line.bus.subscribe(LineStarted, self._begin),
            line.bus.subscribe(ConfigChanged, self._begin),
            line.bus.subscribe(LineStopped, self._note_the_end),
        ]

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Publish a batch of inspections."""
        self._publish(
            [
                Message(self._topics.inspection(one.frame.line), as_json(inspection_message(one)), key=one.frame.id)
                for one in inspections
                if one.frame.id not in self._held and self._is_wanted(one)
            ],
            self._note_held,
        )

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Publish an alarm's change of state."""
        if self.config.alarms:
            self._tell(self._alarms.change(alarm))

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        """Clear at the broker what an interrupted run has left raised, once all that it raised has come."""
        for entry in entries:
            if entry.kind == STARTED and self.config.alarms:
                for body in self._alarms.left_by(entry.at):
                    self._tell(body)

    @hookimpl
    def stop(self) -> None:
        """Say that the line is offline, and disconnect."""
        for end in self._ends:
            end()
        if self._connection is not None:
            self._connection.close()

    def _begin(self, event: Event) -> None:
        """The line runs, and whoever had this place before has left it."""
        if self._began or self._connection is None:
            return
        self._began = True
        if self.config.alarms:
            self._alarms.load()
            if isinstance(event, ConfigChanged):
                for alarm in self._line.alarms:
                    self._alarms.change(alarm)
        self._connection.open()

    def _note_the_end(self, event: LineStopped) -> None:
        self._line_stopped = True

    def _publish(self, messages: Sequence[Message], taken: Callable[[Message], None]) -> None:
        assert self._connection is not None, "start comes first"
        if messages:
            self._connection.publish(messages, taken)

    def _tell(self, body: Body) -> None:
        self._publish([self._alarms.message(body)], lambda message: self._alarms.has(body))

    def _note_held(self, message: Message) -> None:
        self._held[message.key] = None
        while len(self._held) > REMEMBERED:
            self._held.popitem(last=False)

    def _is_wanted(self, inspection: Inspection) -> bool:
        wish = self.config.inspections
        return wish == "all" or (wish == "rejects" and inspection.verdict.decision is not Decision.PASS)

    # What stands at the broker

    def _standing(self) -> list[Message]:
        alarms = self._alarms.messages() if self.config.alarms else []
        # Last: who sees it may rely on what stands there.
        return [*alarms, *self._state_message(), *self._stats_message(), self._available("online")]

    def _last_words(self) -> list[Message]:
        # After a reload somebody else speaks of these alarms, perhaps on other topics.
        alarms = [] if self._line_stopped else self._alarms.removals()
        return [*alarms, *self._state_message(stopped=True), *self._stats_message(), self._available("offline")]

    def _state_message(self, *, stopped: bool = False) -> list[Message]:
        if not self.config.state:
            return []
        return [Message(self._topics.state, as_json(self._state.body(stopped=stopped)), retain=True)]

    def _stats_message(self) -> list[Message]:
        if not self.config.stats_s:
            return []
        return [Message(self._topics.stats, as_json(self._stats.body()), retain=True)]

    def _available(self, word: str) -> Message:
        return Message(self._topics.available, word.encode(), retain=True)
