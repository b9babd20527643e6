from __future__ import annotations

from datetime import UTC, datetime

from linecore.bus import Bus
from linecore.clock import SystemClock
from linecore.events import (
    ConfigChanged,
    DeliveriesDropped,
    DeliveryRefused,
    Event,
    PluginFailed,
    PluginStuck,
    SequenceGap,
    SourceConnected,
    SourceDisconnected,
    SourceExhausted,
)
from linecore.log import LogEntry
from linecore.logbook import Logbook

EVENTS: tuple[Event, ...] = (
    SequenceGap("zmq", "left", 3, 5),
    ConfigChanged("mill", datetime.now(UTC), "a", "b", ("decision.min_confidence",)),
    DeliveriesDropped("database", 5, "the journal is full"),
    DeliveriesDropped("console", 5, "the sink's lane is full"),
    DeliveryRefused("database", "mill/a/1", 13, "ValueError: no"),
    SourceDisconnected("camera", "unplugged", 1.0),
    SourceConnected("camera", "rtsp://a"),
    PluginStuck("tflite", "classify", 12.3),
    PluginFailed("files", "evidence", "OSError: no"),
    PluginFailed("files", "evidence", "OSError: no"),
    PluginFailed("files", "explain", "OSError: no"),
    SourceExhausted("camera"),
)


def test_what_is_worth_keeping_is_written_once_and_what_fails_with_every_frame_seldom() -> None:
    written: list[LogEntry] = []
    bus, logbook = Bus(), Logbook("mill", SystemClock(), written.append)
    logbook.live = frozenset({"console"})
    stop = logbook.follow(bus)
    for event in EVENTS:
        bus.publish(event)
    stop()
    bus.publish(EVENTS[0])
    assert [(one.kind, one.source) for one in written] == [
        ("sequence gap", "zmq"),
        ("config changed", None),
        ("deliveries dropped", "database"),
        ("delivery refused", "database"),
        ("source disconnected", "camera"),
        ("source connected", "camera"),
        ("plugin stuck", "tflite"),
        ("plugin failed", "files"),
        ("plugin failed", "files"),
    ]
    assert written[0].message == "zmq: frames 3 to 4 of left never came"
    assert len({one.id for one in written}) == len(written)
