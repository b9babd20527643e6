"""Sink: verdicts, alarms and trouble as lines on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Full, Queue
from threading import Thread
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.text import Text

from linecore.alarms import Alarm, AlarmState
from linecore.events import (
    ConfigChanged,
    DeliveriesDropped,
    DeliveryRefused,
    Event,
    FrameDropped,
    LineStopped,
    PluginFailed,
    PluginStuck,
    SequenceGap,
    SinkFailed,
    SinkRecovered,
    SinkStalled,
    SourceConnected,
    SourceDisconnected,
)
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Inspection
from linecore.line import Line
from linecore.text import printable

WAITING = 10_000  # lines for a terminal that is paused; beyond, they are counted and not printed
LAST_WORDS_S = 1.0  # a paused terminal must not keep the line from stopping

DECISION_STYLES = {
    Decision.PASS: "green",
    Decision.FAIL: "bold red",
    Decision.UNCERTAIN: "yellow",
    Decision.NO_RESULT: "magenta",
}
"""How a terminal shows each decision; the word always stands there too."""


class ConsoleSink:
    """Prints verdicts, alarms and trouble to the terminal."""

    live = True  # nobody wants to read tomorrow what was printed to no terminal today

    class Config(BaseModel):
        """Options of ``[plugins.console]``."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        verdicts: Literal["all", "rejects", "none"] = Field("all", description="which verdicts to print")

    def __init__(self, config: Config, console: Console | None = None) -> None:
        self._config = config
        self._console = console or Console(soft_wrap=True, highlight=False)
        # Events are published by threads that must not wait for a terminal, which a person may have paused.
        self._lines: Queue[Text | None] = Queue(WAITING)
        self._printer = Thread(target=self._print_lines, name="console", daemon=True)
        self._unsaid = 0
        self._subscriptions: list[Callable[[], None]] = []

    @hookimpl
    def start(self, line: Line) -> None:
        """Listen for trouble."""
        self._subscriptions = [line.bus.subscribe(Event, self._tell)]
        self._printer.start()

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Print a line for each verdict."""
        for inspection in inspections:
            passed = inspection.verdict.decision is Decision.PASS
            if self._config.verdicts == "all" or (self._config.verdicts == "rejects" and not passed):
                self._say(_verdict_line(inspection))

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Print an alarm's change of state."""
        raised = alarm.state is AlarmState.RAISED
        word = Text(f"ALARM {alarm.state}", "bold white on red" if raised else "bold green")
        self._say(Text.assemble(word, f" {alarm.name} ({alarm.priority}): {alarm.message}"))

    @hookimpl
    def stop(self) -> None:
        """Print what is left."""
        for unsubscribe in self._subscriptions:
            unsubscribe()
        if self._printer.is_alive():
            with suppress(Full):
                self._lines.put(None, timeout=LAST_WORDS_S)
                self._printer.join(LAST_WORDS_S)

    def _tell(self, event: Event) -> None:
        if sentence := _sentence(event):
            self._say(Text(printable(sentence), "yellow"))

    def _say(self, line: Text) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._unsaid += 1

    def _print_lines(self) -> None:
        with suppress(OSError):  # nobody reads any more: `linecore serve | head`
            while (line := self._lines.get()) is not None:
                self._console.print(line)
                if self._unsaid and self._lines.empty():
                    self._console.print(
                        Text(f"{self._unsaid} lines were not printed: the terminal was too slow", "yellow")
                    )
                    self._unsaid = 0


def _verdict_line(inspection: Inspection) -> Text:
    frame, verdict = inspection.frame, inspection.verdict
    shown = Text(f"{frame.captured_at:%H:%M:%S} ")
    shown.append(f"{verdict.decision:<9}", DECISION_STYLES[verdict.decision])
    if verdict.label is not None and verdict.confidence is not None:
        shown.append(f" {verdict.label} {verdict.confidence:.2f}")
    shown.append(f"  {printable(frame.id)}", "dim")
    if verdict.reason:
        shown.append(f"  ({printable(verdict.reason)})", "dim")
    return shown


def _sentence(event: Event) -> str | None:
    """Say an event of trouble in words; None for one that the verdicts show anyway."""
    match event:
        case SinkStalled(sink, seconds, waiting):
            return f"sink {sink} has not returned for {seconds:g} s, so its turn is over; {waiting} wait in its lane"
        case SinkFailed(sink, error, attempt, waiting, retry_s):
            return f"sink {sink} failed (attempt {attempt}): {error}; {waiting} wait, next try in {retry_s:.1f} s"
        case SinkRecovered(sink, waiting):
            return f"sink {sink} delivers again; {waiting} wait"
        case DeliveriesDropped(sink, count, reason):
            return f"sink {sink} lost {count}: {reason}"
        case DeliveryRefused(sink, name, attempts, error):
            return f"sink {sink} refused {name} {attempts} times: {error}; see linecore journal list"
        case SequenceGap(source, stream, expected, got):
            return f"{source}: frames {expected} to {got - 1}{f' of {stream}' if stream else ''} never came"
        case ConfigChanged(line, _, _, after, changes):
            return f"line {line} goes on with configuration {after[:12]}: {', '.join(changes) or 'nothing has changed'}"
        case PluginStuck(plugin, hook, seconds):
            return f"plugin {plugin} has not returned from {hook} for {seconds:.1f} s; the line goes on without it"
        case FrameDropped(frame, reason):
            return f"frame {frame.id} dropped: {reason}"
        case PluginFailed(plugin, hook, error):
            return f"plugin {plugin} failed in {hook}: {error}"
        case SourceConnected(source, address):
            return f"source {source} is connected to {address}"
        case SourceDisconnected(source, reason, retry_s):
            return f"source {source} is disconnected: {reason}; next try in {retry_s:.1f} s"
        case LineStopped(line, _, balance):
            return f"line {line} stopped: {balance}"
        case _:
            return None
