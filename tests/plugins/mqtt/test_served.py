"""Lines that are served: killed, and reloaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linecore.config import load_config
from linecore.errors import LinecoreError
from linecore.line import Line
from linecore.reload import reload_line
from tests.lines import linecore, serving
from tests.plugins.mqtt.brokers import Subscriber, standing, subscribed

LINE = """
[line]
name = "mill"

[plugins.frames]
type = "./parts.py:Frames"

[plugins.judge]
type = "./parts.py:Judge"

[plugins.mqtt]
url = "{url}"
site = "{site}"
area = "rolling"
retry_s = 0.05

[[alarms]]
name = "any"
count = 1
of = 1
"""

PARTS = """
from linecore import hookimpl
from linecore.testing import Always, Images, grey

class Judge(Always):
    def __init__(self):
        super().__init__()

class Frames(Images):
    def __init__(self):
        super().__init__([grey()] * 1000)

    @hookimpl
    def frames(self, stopping):
        for frame in super().frames(stopping):
            yield frame
            stopping.wait(0.02)
        stopping.wait()
"""


def write(folder: Path, url: str, site: str) -> Path:
    (folder / "parts.py").write_text(PARTS)
    path = folder / "line.toml"
    path.write_text(LINE.format(url=url, site=site))
    return path


@contextmanager
def running(path: Path) -> Iterator[Line]:
    line = Line.from_config(load_config(path))
    line.start()
    try:
        yield line
    finally:
        line.stop()


def said(heard: Subscriber, area: str) -> list[bytes]:
    return heard.payloads(f"/{area}/mill/available")


def test_a_killed_line_is_offline(broker: str, site: str, tmp_path: Path) -> None:
    with subscribed(broker, f"linecore/v1/{site}/#") as heard:
        with serving(write(tmp_path, broker, site)) as process:
            heard.wait_for(lambda: len(heard.bodies("/inspection")) > 5)
            process.kill()
        heard.wait_for_topic("/available", b"offline")
        assert heard.payloads("/available") == [b"online", b"offline"]
        before = {one["frame_id"] for one in heard.bodies("/inspection")}
        with serving(tmp_path / "line.toml") as process:
            heard.wait_for(lambda: len({one["frame_id"] for one in heard.bodies("/inspection")} - before) > 5)
            process.terminate()
            assert process.wait(30) == 0
        heard.wait_for(lambda: heard.payloads("/available")[2:] == [b"online", b"offline"])
        alarms = {topic: json.loads(payload)["state"] for topic, payload, _ in heard.got if "/alarm/" in topic}
    assert set(alarms.values()) == {"cleared"}
    assert len(alarms) == 2  # that of the run that was killed, and that of the next


def test_check_leaves_a_served_line_alone(broker: str, site: str, tmp_path: Path) -> None:
    path = write(tmp_path, broker, site)
    with running(path), subscribed(broker, f"linecore/v1/{site}/+/+/available") as heard:
        heard.wait_for_topic("/available", b"online")
        assert linecore("check", path).returncode == 0
        assert set(heard.payloads("/available")) == {b"online"}


def test_a_reload_moves_to_other_topics(broker: str, site: str, tmp_path: Path) -> None:
    path = write(tmp_path, broker, site)
    with subscribed(broker, f"linecore/v1/{site}/#") as heard:
        with running(path) as line:
            heard.wait_for(lambda: len(heard.bodies("/rolling/mill/inspection")) > 5)
            heard.wait_for(lambda: any("/alarm/" in topic for topic, _, _ in heard.got))
            path.write_text(path.read_text().replace('"rolling"', '"finishing"'))
            assert reload_line(line, load_config(path)) == ("plugins.mqtt.area",)
            heard.wait_for(lambda: said(heard, "finishing") == [b"online"])
            heard.wait_for(lambda: len(heard.bodies("/finishing/mill/inspection")) > 5)
            kept = standing(broker, f"linecore/v1/{site}/#")
        heard.wait_for(lambda: said(heard, "finishing") == [b"online", b"offline"])
    assert said(heard, "rolling") == [b"online", b"offline"]
    assert sorted(topic.split("/", 3)[3].split("/")[2] for topic in kept if "/finishing/" in topic) == [
        "alarm",
        "available",
        "state",
        "stats",
    ]
    assert not any("/rolling/" in topic and "/alarm/" in topic for topic in kept)
    assert json.loads(kept[f"linecore/v1/{site}/rolling/mill/state"])["state"] == "stopped"
    numbers = [one["sequence"] for one in heard.bodies("/inspection")]
    assert numbers == list(range(len(numbers)))
    assert line.left_for_later == {}


def test_a_reload_with_the_same_topics_ends_online(broker: str, site: str, tmp_path: Path) -> None:
    path = write(tmp_path, broker, site)
    with subscribed(broker, f"linecore/v1/{site}/#") as heard, running(path) as line:
        heard.wait_for(lambda: any("/alarm/" in topic for topic, _, _ in heard.got))
        alarms = standing(broker, f"linecore/v1/{site}/+/+/alarm/#")
        path.write_text(path.read_text().replace("retry_s = 0.05", "retry_s = 0.1"))
        reload_line(line, load_config(path))
        heard.wait_for(lambda: said(heard, "rolling") == [b"online", b"offline", b"online"])
        assert standing(broker, f"linecore/v1/{site}/+/+/alarm/#") == alarms
        state = json.loads(standing(broker, f"linecore/v1/{site}/+/+/state").popitem()[1])
        assert (state["state"], state["config_hash"]) == ("running", line.config_hash)


def test_a_reload_that_is_refused_leaves_the_line_online(broker: str, site: str, tmp_path: Path) -> None:
    path = write(tmp_path, broker, site)
    with subscribed(broker, f"linecore/v1/{site}/+/+/available") as heard, running(path) as line:
        heard.wait_for_topic("/available", b"online")
        before = path.read_text()
        path.write_text(f'{before.replace("rolling", "finishing")}\n[plugins.webhook]\nurl = "nonsense"\n')
        with pytest.raises(LinecoreError):
            reload_line(line, load_config(path))
        path.write_text(f'{before.replace("rolling", "finishing")}\n[plugins.nats]\nurl = "nats://192.0.2.1"\n')
        with pytest.raises(LinecoreError):
            reload_line(line, load_config(path))
        assert heard.payloads("/available") == [b"online"]
