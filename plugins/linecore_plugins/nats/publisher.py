"""Sink and notifier: inspections, alarms and the log as JSON on a stream of NATS JetStream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from linecore.alarms import Alarm
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Inspection
from linecore.log import LogEntry
from linecore.messages import Json, alarm_message, inspection_message, text, time_text
from linecore_plugins.nats.access import ServerOptions
from linecore_plugins.nats.message import MESSAGE_ID, message_id, subject_token
from linecore_plugins.nats.outbox import Letter
from linecore_plugins.nats.sending import StreamSender
from linecore_plugins.nats.streams import Name, StreamOptions, Subject, WantedStream

if TYPE_CHECKING:
    from linecore.line import Line


class NatsPublisher:
    """Publishes inspections without their pictures, alarms and log entries, for any number of readers.

    Subjects are `<subject>.<line>.inspection`, `.alarm` and `.log`, a line's dots as underscores. The server drops what
    it is sent twice.
    """

    pixels = False

    class Config(ServerOptions, StreamOptions):
        """The table of a stream of what happened."""

        stream: Name = Field("LINECORE_EVENTS", description="stream to publish to")
        subject: Subject = Field("linecore.events", description="subject above the line's name")
        inspections: Literal["none", "rejects", "all"] = Field("all", description="which inspections to publish")
        alarms: bool = Field(True, description="publish every change of an alarm")
        log: bool = Field(True, description="publish what else happened: dropped frames, gaps, new configurations")
        keep_days: float = Field(30, gt=0, description="days that a stream made here keeps a message")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._sender: StreamSender | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Connect; a server that is away comes later."""
        config = self.config
        stream = WantedStream(config.stream, config.subject, config, max_age_s=config.keep_days * 86_400)
        self._sender = StreamSender(config, stream, f"plugins.{line.plugin_name(self)}")
        self._sender.open()

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Publish a batch of inspections."""
        wanted = [
            one
            for one in inspections
            if self.config.inspections == "all"
            or (self.config.inspections == "rejects" and one.verdict.decision is not Decision.PASS)
        ]
        self._publish(
            [self._letter(one.frame.line, "inspection", one.frame.id, inspection_message(one)) for one in wanted]
        )

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Publish an alarm's change of state."""
        if self.config.alarms:
            change = f"{alarm.id}/{alarm.state}/{time_text(alarm.changed_at)}"
            self._publish([self._letter(alarm.line, "alarm", change, alarm_message(alarm))])

    @hookimpl
    def log(self, entries: Sequence[LogEntry]) -> None:
        """Publish what else happened to the line."""
        if self.config.log:
            self._publish([self._letter(one.line, "log", one.id, _log_message(one)) for one in entries])

    @hookimpl
    def stop(self) -> None:
        """Disconnect."""
        if self._sender is not None:
            self._sender.close()

    def _publish(self, letters: list[Letter]) -> None:
        assert self._sender is not None, "start comes first"
        self._sender.publish(letters)

    def _letter(self, line: str, kind: str, key: str, message: Mapping[str, Json]) -> Letter:
        headers = {MESSAGE_ID: message_id(f"{kind}:{key}")}
        return Letter(f"{self.config.subject}.{subject_token(line)}.{kind}", headers, json.dumps(message).encode())


def _log_message(entry: LogEntry) -> dict[str, Json]:
    return {
        "schema_version": 1,
        "id": entry.id,
        "line": entry.line,
        "at": time_text(entry.at),
        "kind": entry.kind,
        "message": text(entry.message),
        "source": entry.source,
        "detail": dict(entry.detail),
    }
