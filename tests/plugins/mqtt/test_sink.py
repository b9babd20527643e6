"""What is published, and where, on a real broker."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linecore.alarms import Alarm, AlarmState, Priority
from linecore.events import ConfigChanged
from linecore.inspection import Decision
from linecore.log import STARTED, LogEntry
from linecore.messages import inspection_message
from linecore.testing import PATIENCE_S, Always, Images, Recorder, grey, make_line, run
from linecore_plugins.mqtt.stats import LineStats
from tests.plugins.inspections import inspection
from tests.plugins.mqtt.brokers import private_broker, standing, subscribed
from tests.plugins.mqtt.lines import frame_ids, line_of, sink

ROOT = "linecore/v1"


def test_a_line_publishes_what_it_saw_and_how_it_was(broker: str, site: str, tmp_path: Path) -> None:
    with subscribed(broker, f"{ROOT}/{site}/#") as heard:
        run(line_of(sink(broker, site), tmp_path))
        heard.wait_for_topic("/available", b"offline")
    assert {topic.split("/")[3:5] == ["rolling", "mill"] for topic, _, _ in heard.got} == {True}
    bodies = heard.bodies("/inspection")
    assert [one["frame_id"] for one in bodies] == frame_ids(3)
    assert all(one["schema_version"] == 1 and one["captured_at"].endswith("+00:00") for one in bodies)
    assert heard.payloads("/available") == [b"online", b"offline"]
    alarms = {topic: json.loads(payload) for topic, payload, _ in heard.got if "/alarm/" in topic}
    assert [topic.count("/") for topic in alarms] == [6]
    assert all("any%20%2B%20all" in topic and one["state"] == "cleared" for topic, one in alarms.items())
    states = [one["state"] for one in heard.bodies("/state")]
    assert (states[0], states[-1]) == ("running", "stopped")


def test_the_message_is_that_of_every_other_plugin(broker: str, site: str, tmp_path: Path) -> None:
    recorder = Recorder()
    line = line_of(sink(broker, site), tmp_path)
    plugins = {name: line.setup.roster[name] for name in line.setup.roster}
    with subscribed(broker, f"{ROOT}/{site}/+/+/inspection") as heard:
        run(make_line({**plugins, "sink": recorder}, folder=tmp_path / "other"))
        heard.wait_for(lambda: len(heard.got) == 3)
    assert heard.bodies("") == [inspection_message(one) for one in recorder.inspections]


@pytest.mark.parametrize(("label", "wish", "count"), [("ok", "rejects", 0), ("bad", "rejects", 3), ("bad", "none", 0)])
def test_what_is_wanted_is_published(broker: str, site: str, tmp_path: Path, label: str, wish: str, count: int) -> None:
    with subscribed(broker, f"{ROOT}/{site}/#") as heard:
        run(line_of(sink(broker, site, inspections=wish, alarms=False, state=False, stats_s=0), tmp_path, label=label))
        heard.wait_for_topic("/available", b"offline")
    assert len(heard.payloads("/inspection")) == count
    assert {topic.rpartition("/")[2] for topic, _, _ in heard.got} <= {"inspection", "available"}


def test_all_but_inspections_stands_at_the_broker(broker: str, site: str, tmp_path: Path) -> None:
    line = line_of(sink(broker, site), tmp_path)
    with subscribed(broker, f"{ROOT}/{site}/#") as heard:
        line.start()
        heard.wait_for_topic("/available", b"online")
        heard.wait_for(lambda: any(one.get("alarms") == ["any + all"] for one in heard.bodies("/state")))
        heard.wait_for(lambda: any("/alarm/" in topic for topic, _, _ in heard.got))
        kept = standing(broker, f"{ROOT}/{site}/#")
        line.stop()
        heard.wait_for_topic("/available", b"offline")
    assert sorted(topic.split("/")[5] for topic in kept) == ["alarm", "available", "state", "stats"]
    state = json.loads(kept[f"{ROOT}/{site}/rolling/mill/state"])
    assert state["state"] == "running"
    assert state["sources"].keys() == {"left"}
    assert state["line"] == "mill"


def test_what_was_counted_stands_there_and_adds_up(broker: str, site: str, tmp_path: Path) -> None:
    line = line_of(sink(broker, site, stats_s=0.05), tmp_path, alarms=False)
    with subscribed(broker, f"{ROOT}/{site}/+/+/stats") as heard:
        line.start()
        heard.wait_for(lambda: any(one["recorded"] == 3 for one in heard.bodies("")))
        line.stop()
        kept = json.loads(standing(broker, f"{ROOT}/{site}/#")[f"{ROOT}/{site}/rolling/mill/stats"])
    assert (kept["schema_version"], kept["line"]) == (1, "mill")
    assert kept["decisions"] == {"FAIL": 3}
    assert kept["labels"] == {"scratches": 3}
    for one in [*heard.bodies(""), kept]:
        assert one["captured"] == one["recorded"] + sum(one["dropped"].values()) + one["in_flight"]
    assert (kept["captured"], kept["recorded"], kept["in_flight"]) == (3, 3, 0)
    assert kept["verdicts_since"] <= kept["started_at"]


def test_counts_that_stand_still_are_the_same_message_and_a_reload_begins_them_again(tmp_path: Path) -> None:
    line = make_line({"left": Images([grey(0), grey(1)]), "judge": Always("bad"), "sink": Recorder()}, folder=tmp_path)
    stats = LineStats(line)
    run(line)
    first = stats.body()
    assert stats.body() == first
    assert (first["decisions"], first["labels"]) == ({"FAIL": 2}, {"bad": 2})
    line.bus.publish(ConfigChanged(line.name, line.clock.now(), "a", "b", ("decision.min_confidence: 0.8 -> 0.95",)))
    again = stats.body()
    assert (again["decisions"], again["labels"], again["recorded"]) == ({}, {}, 2)
    assert str(again["verdicts_since"]) >= str(first["counted_at"])
    stats.close()


def test_a_line_that_is_checked_is_not_available(broker: str, site: str, tmp_path: Path) -> None:
    with subscribed(broker, f"{ROOT}/{site}/#") as heard:
        line = line_of(sink(broker, site), tmp_path)
        line.prepare()
        line.release()
    assert heard.got == []
    assert standing(broker, f"{ROOT}/{site}/#") == {}


def test_frames_of_another_line_are_published_under_its_name(broker: str, site: str, tmp_path: Path) -> None:
    mqtt = sink(broker, site)
    line = line_of(mqtt, tmp_path, 0)
    with subscribed(broker, f"{ROOT}/{site}/#") as heard:
        line.start()
        mqtt.record([inspection(1), inspection(2, Decision.PASS, "ok")])
        mqtt.record([inspection(1), inspection(3)])  # the first is with the broker already
        line.stop()
        heard.wait_for_topic("/available", b"offline")
    assert [(t.split("/")[4], json.loads(p)["sequence"]) for t, p, _ in heard.got if t.endswith("/inspection")] == [
        ("line-1", 1),
        ("line-1", 2),
        ("line-1", 3),
    ]


def test_alarms_of_a_killed_run_are_cleared_at_the_next_start(tmp_path: Path, site: str) -> None:
    raised_at = datetime.now(UTC) - timedelta(hours=1)
    left = Alarm("mill/burst/1", "mill", "burst", Priority.HIGH, AlarmState.RAISED, "3 of 5", raised_at, raised_at)
    with private_broker(tmp_path) as broker, subscribed(broker.url, f"{ROOT}/{site}/+/+/alarm/#") as heard:
        killed = sink(broker.url, site)
        line = line_of(killed, tmp_path, 0)
        line.prepare()
        killed._alarms.change(left)  # what is on disk when the power goes
        line.release()
        run(line_of(sink(broker.url, site), tmp_path, 0))
        heard.wait_for(lambda: any(one["state"] == "cleared" for one in heard.bodies("")))
    assert [one["state"] for one in heard.bodies("")] == ["raised", "cleared"]
    assert heard.bodies("")[-1]["message"] == "the line was interrupted"
    assert json.loads((tmp_path / ".linecore/mill/mqtt-alarms.json").read_text()) == {}


@pytest.mark.parametrize("content", ["nonsense", "[]", '{"a": {}}', '{"a": 1}', '{"a": {"raised_at": "then"}}'])
def test_a_damaged_note_of_alarms_costs_no_connection(
    broker: str, site: str, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".linecore/mill").mkdir(parents=True)
    (tmp_path / ".linecore/mill/mqtt-alarms.json").write_text(content)
    with subscribed(broker, f"{ROOT}/{site}/#") as heard:
        run(line_of(sink(broker, site), tmp_path))
        heard.wait_for_topic("/available", b"offline")
    assert len(heard.bodies("/inspection")) == 3
    assert "mqtt-alarms.json cannot be read" in caplog.text


def test_a_cleared_alarm_is_forgotten_after_a_while(tmp_path: Path, site: str) -> None:
    with private_broker(tmp_path) as broker:
        run(line_of(sink(broker.url, site, cleared_keep_h=1 / 3600), tmp_path))
        deadline = time.monotonic() + PATIENCE_S
        while any("/alarm/" in topic for topic in standing(broker.url, f"{ROOT}/{site}/#")):
            assert time.monotonic() < deadline, "it stands there for ever"


def test_an_alarm_of_this_run_is_not_cleared_by_its_start(tmp_path: Path, site: str, broker: str) -> None:
    mqtt = sink(broker, site)
    line = line_of(mqtt, tmp_path, 1)
    with subscribed(broker, f"{ROOT}/{site}/+/+/alarm/#") as heard:
        line.start()
        heard.wait_for(lambda: bool(heard.got))
        assert line.started_at is not None
        mqtt.log([LogEntry("1", "mill", line.started_at, STARTED, "the line started")])
        assert [one["state"] for one in heard.bodies("")] == ["raised"]
        line.stop()


@pytest.mark.parametrize("key", ["site", "area"])
@pytest.mark.parametrize("value", ["", " ", "a/b", "+", "a#", "a\nb", "x" * 201])
def test_a_level_of_a_topic_is_one_level(key: str, value: str) -> None:
    with pytest.raises(ValueError, match="it must be one level of a topic"):
        sink("mqtt://127.0.0.1:1883", **{"site": "s", "area": "a", key: value})


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"url": "http://host"}, "it must look like mqtt://"),
        ({"url": "mqtt://user:s3cret@host"}, "without a password"),
        ({"url": "mqtt://host:70000"}, "it must look like mqtt://"),
        ({"user": "line"}, "user and password go together"),
        ({"tls_ca": "ca.pem"}, "need an address that begins with mqtts://"),
        ({"client_id": "a\tb"}, "it must be printable"),
    ],
)
def test_a_mistake_is_one_sentence(options: dict[str, Any], wish: str) -> None:
    with pytest.raises(ValueError, match=wish):
        sink(**{"url": "mqtt://127.0.0.1:1883", "site": "s", **options})
