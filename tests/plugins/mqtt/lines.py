"""Lines with an MQTT sink."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from linecore.alarms import AlarmRule
from linecore.config import LineSettings
from linecore.line import Line
from linecore.testing import Always, Images, grey, make_line
from linecore_plugins.mqtt.sink import MqttSink


def sink(url: str, site: str, **more: Any) -> MqttSink:
    """Make a sink that comes back soon."""
    options = {"url": url, "site": site, "area": "rolling", "retry_s": 0.05, "retry_max_s": 0.2, "timeout_s": 3, **more}
    return MqttSink(MqttSink.Config.model_validate(options))


def line_of(
    mqtt: MqttSink, folder: Path, frames: int = 3, *, label: str = "scratches", alarms: bool = True, **more: Any
) -> Line:
    """Make a line that rejects everything, and says so by an alarm."""
    source = more.pop("source", None) or Images([grey(number % 256) for number in range(frames)])
    settings = LineSettings(name="mill", workers=1, drain_timeout_s=20, **more)
    return make_line(
        {"left": source, "judge": Always(label), "mqtt": mqtt},
        folder=folder,
        settings=settings,
        alarms=[AlarmRule(name="any + all", count=1, of=1)] if alarms else [],
    )


def frame_ids(count: int, first: int = 0) -> list[str]:
    """Return the ids of a line's frames."""
    return [f"mill/left/{number}" for number in range(first, first + count)]
