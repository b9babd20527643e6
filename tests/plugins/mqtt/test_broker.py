"""A broker that goes away, forgets, refuses or hangs: nothing is lost, and what stood there stands there again."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag

import pytest

from linecore.errors import ConnectionFailedError, RefusedError
from linecore.events import DeliveryRefused, SinkFailed
from linecore.hookspecs import hookimpl
from linecore.inspection import Frame
from linecore.testing import Images, Listener, grey, run
from linecore_plugins.mqtt.session import AT_ONCE
from tests.plugins.inspections import inspection
from tests.plugins.mqtt.brokers import Subscriber, keeping, private_broker, standing, subscribed
from tests.plugins.mqtt.lines import frame_ids, line_of, sink

ALL = "linecore/v1/plant/#"


class Gated(Images):
    """A source whose later frames come when they are let."""

    def __init__(self, frames: int, first: int) -> None:
        super().__init__([grey(number % 256) for number in range(frames)])
        self._first = first
        self.let = Flag()

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield the first of them, and wait."""
        for number, frame in enumerate(super().frames(stopping)):
            while number >= self._first and not self.let.wait(0.05) and not stopping.is_set():
                pass
            yield frame


def numbers_of(heard: Subscriber) -> list[int]:
    return [int(one["frame_id"].rpartition("/")[2]) for one in heard.bodies("/inspection")]


def test_a_broker_that_forgot_everything_is_told_again(tmp_path: Path) -> None:
    with private_broker(tmp_path) as broker:
        line = line_of(sink(broker.url, "plant"), tmp_path)
        with subscribed(broker.url, ALL) as heard:
            line.start()
            heard.wait_for(lambda: any(one.get("alarms") for one in heard.bodies("/state")))
            heard.wait_for(lambda: any("/alarm/" in topic for topic, _, _ in heard.got))
            before = standing(broker.url, ALL)
        broker.stop()
        broker.start()
        with subscribed(broker.url, ALL) as again:
            again.wait_for_topic("/available", b"online")
        after = standing(broker.url, ALL)
        line.stop()
    assert len(before) == 4
    assert after.keys() == before.keys()
    counts = "linecore/v1/plant/rolling/mill/stats"  # which went on
    assert json.loads(after.pop(counts))["captured"] >= json.loads(before.pop(counts))["captured"]
    assert after == before


def test_what_cannot_be_published_now_is_published_later_in_order(tmp_path: Path) -> None:
    source = Gated(300, 100)
    # What the broker has acknowledged must reach us, though it is stopped before it has passed it on.
    with private_broker(tmp_path, keeping(tmp_path)) as broker, subscribed(broker.url, ALL, durable=True) as heard:
        line = line_of(sink(broker.url, "plant"), tmp_path, source=source)
        listener = Listener(line)
        line.start()
        heard.wait_for(lambda: len(heard.bodies("/inspection")) == 100)
        broker.stop(signal.SIGTERM)
        source.let.set()
        assert line.exhausted.wait(20)
        listener.wait_for(SinkFailed, 3)
        source.wait_for(lambda source: len(source.settled) == 300)  # they are safe, though nobody has heard of them yet
        broker.start()
        assert line.stop().recorded == 300
        heard.wait_for(lambda: len(heard.bodies("/inspection")) >= 300)
        heard.wait_for(lambda: heard.payloads("/available")[-1:] == [b"offline"])
    assert numbers_of(heard) == list(range(300))
    assert heard.bodies("/inspection")[100]["buffered"]  # the first that had to wait
    assert [one["state"] for one in heard.bodies("") if "alarm_id" in one][-1] == "cleared"


def test_a_killed_broker_costs_nothing_that_it_had_not_acknowledged(tmp_path: Path) -> None:
    source = Gated(200, 50)
    with private_broker(tmp_path) as broker:
        line = line_of(sink(broker.url, "plant"), tmp_path, source=source, alarms=False)
        with subscribed(broker.url, ALL) as before:
            line.start()
            before.wait_for(lambda: len(before.bodies("/inspection")) == 50)
        broker.stop()
        source.let.set()
        assert line.exhausted.wait(20)
        broker.start()
        balance = line.stop()
        assert balance.recorded == 200
        assert line.left_for_later == {}
        assert line.undelivered == {}


def test_a_broker_that_hangs_is_given_up_and_nothing_is_sent_behind_its_back(tmp_path: Path) -> None:
    with private_broker(tmp_path) as broker, subscribed(broker.url, ALL) as heard:
        mqtt = sink(broker.url, "plant", timeout_s=1, state=False)
        line = line_of(mqtt, tmp_path, 0)
        line.start()
        mqtt.record([inspection(1)])
        broker.pause()
        batch = [inspection(number) for number in range(2, 80)]
        with pytest.raises(ConnectionFailedError, match="messages were not acknowledged in time"):
            mqtt.record(batch)
        with pytest.raises(ConnectionFailedError, match="cannot be reached|connection was lost"):
            mqtt.record(batch)
        broker.resume()
        heard.wait_for(lambda: heard.payloads("/available").count(b"online") > 1)
        mqtt.record(batch)
        line.stop()
        heard.wait_for(lambda: heard.payloads("/available")[-1:] == [b"offline"])
    numbers = numbers_of(heard)
    assert set(numbers) == set(range(1, 80))
    # Up to one window may be there twice, from before and after; the batch that counts is in order.
    assert numbers[-78:] == list(range(2, 80))
    assert len(numbers) <= 79 + AT_ONCE


def test_what_is_refused_becomes_a_dead_letter_with_its_reason(tmp_path: Path) -> None:
    keys = [str(number) for number in range(30)]
    keys[7] = "7" * 200
    for settings in ("message_size_limit 700", "max_packet_size 800"):  # unannounced, and announced
        folder = tmp_path / settings.partition(" ")[0]
        folder.mkdir()
        with (
            private_broker(folder, f"allow_anonymous true\n{settings}") as broker,
            subscribed(broker.url, ALL) as heard,
        ):
            source = Images([grey()] * 30, keys)
            line = line_of(sink(broker.url, "plant"), folder, source=source, alarms=False, sink_attempts=1)
            listener = Listener(line)
            line.start()
            (refused,) = listener.wait_for(DeliveryRefused)
            line.stop()
            heard.wait_for_topic("/available", b"offline")
        assert isinstance(refused, DeliveryRefused)
        assert refused.name.startswith("mill/left/777")
        assert f"{broker.url} refuses linecore/v1/plant/rolling/mill/inspection: " in refused.error
        assert ("protocol error" if "message" in settings else "takes packets of up to 800") in refused.error
        ids = [one["frame_id"] for one in heard.bodies("/inspection")]
        assert len(set(ids)) == 29
        # The broker that says nothing of its limit ends the connection, and with it the answers that were on their way.
        assert len(ids) <= 29 + (AT_ONCE if "message" in settings else 0)


def test_a_topic_that_is_not_allowed_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write linecore/test/#\ntopic write linecore/v1/plant/rolling/mill/available\n")
    with private_broker(tmp_path, f"allow_anonymous true\nacl_file {acl}") as broker:
        mqtt = sink(broker.url, "plant")
        line = line_of(mqtt, tmp_path, 0)
        line.start()
        with pytest.raises(RefusedError, match="refuses linecore/v1/plant/rolling/line-1/inspection: Not authorized"):
            mqtt.record([inspection(1)])
        line.stop()
        assert standing(broker.url, ALL) == {"linecore/v1/plant/rolling/mill/available": b"offline"}
    assert "refuses linecore/v1/plant/rolling/mill/state: Not authorized" in caplog.text


def test_a_broker_that_is_away_at_the_start_comes_later(tmp_path: Path) -> None:
    with private_broker(tmp_path) as broker:
        broker.stop()
        mqtt = sink(broker.url, "plant")
        line = line_of(mqtt, tmp_path)
        line.start()
        assert f"{broker.url} cannot be reached: Connection refused" in "".join(line.remarks())
        broker.start()
        with subscribed(broker.url, ALL) as heard:
            heard.wait_for_topic("/available", b"online")
            line.stop()
            heard.wait_for_topic("/available", b"offline")
    assert line.left_for_later == {}


def test_nothing_waits_for_a_broker_that_is_away_when_the_line_stops(tmp_path: Path) -> None:
    with private_broker(tmp_path) as broker:
        line = line_of(sink(broker.url, "plant"), tmp_path)
        line.start()
        assert line.exhausted.wait(20)
        broker.stop()
        line.stop()
        broker.start()
        with subscribed(broker.url, ALL) as heard:
            run(line_of(sink(broker.url, "plant"), tmp_path, 0))
            heard.wait_for_topic("/available", b"offline")
    assert [one for one in frame_ids(3) if one in [body["frame_id"] for body in heard.bodies("/inspection")]] in (
        [],
        frame_ids(3),
    )
