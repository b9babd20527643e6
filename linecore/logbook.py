"""Writes the line's log: what the bus tells that a history should keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count

from linecore.bus import Bus
from linecore.clock import Clock
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
)
from linecore.log import LogEntry

Detail = Mapping[str, str | int | float | None]


QUIET_S = 10.0
"""Between two entries of one kind about one plugin: what fails with every frame would fill the history."""


class Logbook:
    """Makes a log entry of each event that is worth keeping, and hands it to *write*."""

    def __init__(
        self, line: str, clock: Clock, write: Callable[[LogEntry], None], hide: Callable[[str], str] = str
    ) -> None:
        self._hide = hide  # takes secrets out of what an exception says
        self._quiet_until: dict[tuple[str, str, str], float] = {}
        self._left_out: Counter[tuple[str, str, str]] = Counter()
        self._line = line
        self._clock = clock
        self._write = write
        self.live: frozenset[str] = frozenset()  # sinks that are only for the moment: what they lose is gone anyway
        self._started = f"{clock.now():%Y%m%dT%H%M%S.%f}"
        self._numbers = count(1)

    def follow(self, bus: Bus) -> Callable[[], None]:
        """Listen to a line's events; the answer ends this."""
        return bus.subscribe(Event, self._heard, own=True)

    def entry(self, kind: str, message: str, source: str | None = None, detail: Detail | None = None) -> LogEntry:
        """Return an entry of this moment."""
        name = f"{self._line}/{kind}/{self._started}-{next(self._numbers)}"
        return LogEntry(name, self._line, self._clock.now(), kind, self._hide(message), source, detail or {})

    def write(self, kind: str, message: str, source: str | None = None, detail: Detail | None = None) -> None:
        """Write an entry of this moment."""
        self._write(self.entry(kind, message, source, detail))

    def _heard(self, event: Event) -> None:
        match event:
            case SequenceGap(source, stream, expected, got):
                of = f" of {stream}" if stream else ""
                said = f"{source}: frames {expected} to {got - 1}{of} never came"
                self._write_seldom("sequence gap", said, source, {"stream": stream, "expected": expected, "got": got})
            case ConfigChanged(_, _, before, after, changes):
                said = f"the configuration has changed: {', '.join(changes) or 'nothing but comments'}"
                self.write("config changed", said, None, {"before": before, "after": after})
            case DeliveriesDropped(sink, number, reason) if sink not in self.live:
                self.write("deliveries dropped", f"sink {sink} lost {number}: {reason}", sink, {"count": number})
            case DeliveryRefused(sink, name, attempts, error):
                said = f"sink {sink} refused {name} {attempts} times: {error}"
                self.write("delivery refused", said, sink, {"name": name, "attempts": attempts})
            case SourceDisconnected(source, reason, _):
                self.write("source disconnected", f"source {source} is disconnected: {reason}", source)
            case SourceConnected(source, address):
                self.write("source connected", f"source {source} is connected to {address}", source)
            case PluginStuck(plugin, hook, seconds):
                said = f"plugin {plugin} has not returned from {hook} for {seconds:.1f} s"
                self.write("plugin stuck", said, plugin, {"hook": hook, "seconds": round(seconds, 3)})
            case PluginFailed(plugin, hook, error):
                said = f"plugin {plugin} failed in {hook}: {error}"
                self._write_seldom("plugin failed", said, plugin, {"hook": hook})

    def _write_seldom(self, kind: str, message: str, plugin: str, detail: Detail) -> None:
        """Write at most one entry of a kind about a plugin in a while; it says how many more there were."""
        key, now = (kind, plugin, str(detail.get("hook", ""))), self._clock.monotonic()
        if now < self._quiet_until.get(key, now):
            self._left_out[key] += 1
            return
        self._quiet_until[key] = now + QUIET_S
        self.write(kind, message, plugin, {**detail, "more": self._left_out.pop(key, 0)})
