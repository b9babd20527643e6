"""What can happen on a line: facts, in the past tense. Subscribe through :class:`linecore.bus.Bus`.

Handlers run in the thread that publishes, so they must be quick; what takes time belongs in a sink.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from linecore.alarms import Alarm
from linecore.inspection import Frame, Inspection
from linecore.ledger import Balance


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; subscribe to this class to hear everything."""


@dataclass(frozen=True, slots=True)
class LineStarted(Event):
    """Every plugin is ready and the sources begin."""

    line: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LineStopped(Event):
    """The line has drained and its plugins have stopped."""

    line: str
    at: datetime
    balance: Balance


@dataclass(frozen=True, slots=True)
class SourceConnected(Event):
    """A source has its camera, stream or socket (again)."""

    source: str
    address: str


@dataclass(frozen=True, slots=True)
class SourceDisconnected(Event):
    """A source has lost its camera, stream or socket, and tries again by itself."""

    source: str
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class SourceExhausted(Event):
    """A source has run dry: it will yield no more frames."""

    source: str


@dataclass(frozen=True, slots=True)
class FrameCaptured(Event):
    """A source has handed over a frame; it may still be encoded."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class FrameDropped(Event):
    """A frame was let go without an inspection; the ledger counts it under its reason."""

    frame: Frame
    reason: str


@dataclass(frozen=True, slots=True)
class VerdictReached(Event):
    """The decision is made; the heat map, if any, is still to come."""

    inspection: Inspection


@dataclass(frozen=True, slots=True)
class InspectionCompleted(Event):
    """A frame has been judged and, where asked for, explained; the sinks get it now."""

    inspection: Inspection


@dataclass(frozen=True, slots=True)
class AlarmRaised(Event):
    """An alarm's condition has come true."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AlarmCleared(Event):
    """An alarm's condition is gone."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class SinkFailed(Event):
    """A sink raised; nothing of that batch counts as stored, and it will come again."""

    sink: str
    error: str
    attempt: int
    waiting: int  # inspections and alarms that wait in the sink's lane
    retry_s: float


@dataclass(frozen=True, slots=True)
class SinkStalled(Event):
    """A sink has not returned from a call in time: its turn is over, and the same batch comes again."""

    sink: str
    seconds: float
    waiting: int


@dataclass(frozen=True, slots=True)
class SinkRecovered(Event):
    """A sink that had failed or stalled has delivered again."""

    sink: str
    waiting: int


@dataclass(frozen=True, slots=True)
class DeliveriesDropped(Event):
    """A sink's lane let deliveries go: it was full, or the line stopped before the sink was able to take them."""

    sink: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryRefused(Event):
    """A sink refused one delivery while it took others: a dead letter, which `linecore journal replay` offers again."""

    sink: str
    name: str  # the id of the frame, the alarm or the log entry
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class SequenceGap(Event):
    """A source's own numbers have skipped some: frames that never reached the line."""

    source: str
    stream: str  # the sender or camera whose numbers they are; "" where the source has one
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class ConfigChanged(Event):
    """The line goes on with a new configuration, from the next frame on."""

    line: str
    at: datetime
    before: str  # hashes of the configurations
    after: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PluginStuck(Event):
    """A plugin has been busy with one call for too long; the line goes on without waiting for it."""

    plugin: str
    hook: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PluginFailed(Event):
    """A plugin raised in a hook other than ``record``, ``notify`` and ``log``; the line goes on."""

    plugin: str
    hook: str
    error: str
