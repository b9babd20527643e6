"""A message to the broker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from linecore.messages import Json

OVERHEAD_BYTES = 64  # of a PUBLISH packet beside topic and payload: its header and properties, rounded up


@dataclass(frozen=True, slots=True)
class Message:
    """What is published; all of it with QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None  # after which the broker forgets it
    key: str = ""  # tells whoever publishes which one was taken

    @property
    def nbytes(self) -> int:
        """Bytes of its packet, a few more than it has."""
        return len(self.topic.encode()) + len(self.payload) + OVERHEAD_BYTES

    @property
    def properties(self) -> Properties:
        """What MQTT 5 says of it."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1  # it is UTF-8
        if self.payload.startswith(b"{"):
            properties.ContentType = "application/json"
        if self.expiry_s is not None:
            properties.MessageExpiryInterval = self.expiry_s
        return properties


def as_json(body: Mapping[str, Json]) -> bytes:
    """Return a payload."""
    return json.dumps(body).encode()
