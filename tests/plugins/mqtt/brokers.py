"""MQTT brokers for tests: the one on its standard port, or a private one that may be stopped and started."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from linecore.testing import PATIENCE_S
from tests.servers import Server, free_port, program

BROKER = os.environ.get("LINECORE_TEST_MQTT", "mqtt://127.0.0.1:1883")


def port_of(url: str) -> int:
    """Return the port that an address names."""
    return int(url.rpartition(":")[2])


class Subscriber:
    """Keeps what comes on the topics of a filter, and can be waited for; comes back when its broker does.

    For one that is *durable* its broker keeps what comes meanwhile.
    """

    def __init__(self, url: str, topics: str, *, durable: bool = False) -> None:
        self.got: list[tuple[str, bytes, bool]] = []  # topic, payload, and whether it stood there before
        self._topics = topics
        self._changed = Condition()
        self._subscribed = False
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"subscriber-{uuid.uuid4().hex}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        client.on_subscribe = lambda *_: self._is_subscribed()
        client.on_message = lambda _, __, message: self._keep(message)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600 if durable else 0
        client.connect("127.0.0.1", port_of(url), clean_start=not durable, properties=properties)
        client.loop_start()
        self.wait_for(lambda: self._subscribed)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Say something too."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def pass_on(self) -> None:
        """Wait until all that the broker has for us is here."""
        mark = f"linecore/test/{uuid.uuid4().hex}"
        self._client.subscribe(mark, qos=1)
        self.publish(mark, b".")
        self.wait_for_topic(mark)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds; an AssertionError says that it did not come true."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S), f"waited in vain, got {self.got[-5:]}"

    def wait_for_topic(self, ending: str, payload: bytes | None = None) -> None:
        """Wait until something has come on a topic with that ending."""
        self.wait_for(lambda: any(t.endswith(ending) and payload in (None, p) for t, p, _ in self.got))

    def payloads(self, ending: str) -> list[bytes]:
        """Return what has come on topics with that ending, oldest first."""
        with self._changed:
            return [payload for topic, payload, _ in self.got if topic.endswith(ending)]

    def bodies(self, ending: str) -> list[dict[str, Any]]:
        """Return it as JSON."""
        return [json.loads(payload) for payload in self.payloads(ending) if payload.startswith(b"{")]

    def _is_subscribed(self) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _keep(self, message: MQTTMessage) -> None:
        with self._changed:
            one = (message.topic, bytes(message.payload), message.retain)
            # What the broker gives again, since it had no acknowledgement from here, is no second publication.
            if not (message.dup and one in self.got):
                self.got.append(one)
            self._changed.notify_all()


@contextmanager
def subscribed(url: str, topics: str, *, durable: bool = False) -> Iterator[Subscriber]:
    """Listen meanwhile."""
    subscriber = Subscriber(url, topics, durable=durable)
    try:
        yield subscriber
    finally:
        subscriber.close()


def standing(url: str, topics: str) -> dict[str, bytes]:
    """Return what is retained."""
    with subscribed(url, topics) as one:
        one.pass_on()
        return {topic: payload for topic, payload, retained in one.got if retained}


def forget(url: str, topics: str) -> None:
    """Have the broker forget what is retained."""
    with subscribed(url, topics) as one:
        one.pass_on()
        for topic in {topic for topic, _, retained in one.got if retained}:
            one.publish(topic, b"", retain=True)
        one.pass_on()


def keeping(folder: Path) -> str:
    """Return the settings of a broker that keeps, where it ends in order, what a durable subscriber does not have."""
    return f"allow_anonymous true\npersistence true\npersistence_location {folder}/\nmax_queued_messages 0"


class PrivateBroker(Server):
    """A Mosquitto of the test's own, which forgets everything when it is stopped, unless its settings say otherwise."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true") -> None:
        port = free_port()
        file = folder / f"mosquitto-{port}.conf"
        file.write_text(f"listener {port} 127.0.0.1\nuser root\n{settings}\n")
        command = [program("mosquitto", "/usr/sbin", "/usr/local/sbin"), "-c", str(file), "-v"]
        super().__init__(command, folder / f"mosquitto-{port}.log", port)
        self.url = f"mqtt://127.0.0.1:{port}"


@contextmanager
def private_broker(folder: Path, settings: str = "allow_anonymous true") -> Iterator[PrivateBroker]:
    """Run a broker of the test's own meanwhile."""
    broker = PrivateBroker(folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
