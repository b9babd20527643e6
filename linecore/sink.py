"""A sink as its lane sees it: which deliveries it takes, and how it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from linecore.alarms import Alarm
from linecore.decoding import decode
from linecore.errors import ConnectionFailedError, ImageError
from linecore.inspection import Inspection
from linecore.log import LogEntry
from linecore.packing import ALARM, INSPECTION, LOG, Delivery, Kind, kind_of
from linecore.turns import TurnTimeoutError

HOOK_OF: dict[Kind, str] = {INSPECTION: "record", ALARM: "notify", LOG: "log"}
"""The hook that takes each kind of delivery."""


class Sink(Protocol):
    """One plugin's answers to the hooks that deliver."""

    takes: frozenset[Kind]  # kinds of deliveries that it has a hook for
    pixels: bool  # it looks at the pictures of an inspection
    names_evidence: bool  # it says in `evidence` of which inspections it keeps pictures

    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch."""
        ...

    def notify(self, alarm: Alarm) -> None:
        """Tell of an alarm's change."""
        ...

    def log(self, entries: Sequence[LogEntry]) -> None:
        """Store log entries."""
        ...


def deliver(sink: Sink, batch: Sequence[Delivery]) -> None:
    """Hand over a batch of one kind, whatever it is; alarms come one at a time.

    Raises:
        BaseException: what the sink raised.
    """
    kind = kind_of(batch[0])
    if kind == INSPECTION:
        sink.record([one for one in batch if isinstance(one, Inspection)])
    elif kind == LOG:
        sink.log([one for one in batch if isinstance(one, LogEntry)])
    else:
        for one in batch:
            assert isinstance(one, Alarm)
            sink.notify(one)


def ready(sink: Sink, delivery: Delivery) -> Delivery:
    """Return *delivery* with the pixels that the sink looks at: what comes from the journal is still encoded."""
    if not isinstance(delivery, Inspection) or not sink.pixels:
        return delivery
    frame = delivery.frame
    if frame.encoded is None or not frame.image.size or frame.image.strides != (0,) * frame.image.ndim:
        return delivery
    try:
        return replace(delivery, frame=frame.decoded(decode(frame.encoded)))
    except ImageError:
        return delivery


def is_away(error: BaseException) -> bool:
    """Say whether a sink's failure means that what it talks to is not there, rather than that it refuses a batch."""
    return isinstance(error, (ConnectionFailedError, OSError, TurnTimeoutError))
