"""Alarms as the broker is to keep them: what is raised, and for a while what was cleared."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock

from linecore.alarms import Alarm, AlarmState
from linecore.clock import Clock
from linecore.messages import Json, alarm_message, time_text
from linecore_plugins.mqtt.message import Message, as_json
from linecore_plugins.mqtt.topics import Topics

logger = logging.getLogger(__name__)

CLEARED_KEPT = 200  # that are published again; the broker keeps those of `cleared_keep_h`

Body = dict[str, Json]


class StandingAlarms:
    """The last change of each alarm, for a broker that has forgotten them.

    What is raised is in the file *path* too: a line that is killed clears nothing, and the next one must.
    """

    def __init__(self, path: Callable[[], Path], topics: Topics, *, keep_s: float, clock: Clock) -> None:
        self._path = path
        self._topics = topics
        self._keep_s = keep_s
        self._clock = clock
        self._raised: dict[str, Body] = {}  # by alarm id
        self._cleared: dict[str, tuple[Body, float]] = {}  # and when, in seconds of the clock, the broker forgets it
        self._lock = Lock()

    def load(self) -> None:
        """Read what an earlier run has left raised."""
        path = self._path()
        try:
            found = json.loads(path.read_text())
            for body in found.values():
                _raised_at(body)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            logger.warning("%s cannot be read, and alarms in it are not cleared: %s", path, error)
            return
        with self._lock:
            self._raised = {**found, **self._raised}

    def change(self, alarm: Alarm) -> Body:
        """Take note of an alarm that is raised, before the broker has it; the answer is what to publish."""
        body = alarm_message(alarm)
        if alarm.state is not AlarmState.CLEARED:
            with self._lock:
                self._raised[alarm.id] = body
                self._save()
        return body

    def has(self, body: Body) -> None:
        """Take note that the broker has a change."""
        if body["state"] != AlarmState.CLEARED:
            return
        with self._lock:
            self._cleared[str(body["alarm_id"])] = (body, self._clock.monotonic() + self._keep_s)
            while len(self._cleared) > CLEARED_KEPT:
                del self._cleared[next(iter(self._cleared))]
            if self._raised.pop(str(body["alarm_id"]), None) is not None:
                self._save()

    def left_by(self, started_at: datetime) -> list[Body]:
        """Return as cleared what was raised before the line's last start: nobody watches it any more."""
        with self._lock:
            left = [one for one in self._raised.values() if _raised_at(one) < started_at]
        return [
            {**one, "state": "cleared", "changed_at": time_text(started_at), "message": "the line was interrupted"}
            for one in left
        ]

    def message(self, body: Body, keep_s: float | None = None) -> Message:
        """Return what is published of a change; a cleared one is forgotten after a while, or after *keep_s* seconds."""
        keep_s = self._keep_s if keep_s is None else keep_s
        expiry_s = max(1, int(keep_s)) if body["state"] == AlarmState.CLEARED else None
        return Message(self._topics.alarm(str(body["alarm_id"])), as_json(body), retain=True, expiry_s=expiry_s)

    def messages(self) -> list[Message]:
        """Return all that the broker is to keep."""
        now = self._clock.monotonic()
        with self._lock:
            self._cleared = {key: one for key, one in self._cleared.items() if one[1] > now}
            raised, cleared = [*self._raised.values()], [*self._cleared.values()]
        return [*map(self.message, raised), *(self.message(body, until - now) for body, until in cleared)]

    def removals(self) -> list[Message]:
        """Return what takes the raised ones off the broker."""
        with self._lock:
            return [Message(self._topics.alarm(alarm_id), b"", retain=True) for alarm_id in self._raised]

    def _save(self) -> None:
        path = self._path()
        fresh = path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(self._raised))
            fresh.replace(path)
        except OSError as error:  # a full disk; the broker has the alarm all the same
            logger.warning("%s cannot be written: %s", path, error)


def _raised_at(body: Body) -> datetime:
    return datetime.fromisoformat(str(body["raised_at"]))
