"""What the reason codes of MQTT 5 mean to a sink: who has to mend it, or that a message will never be taken."""

from __future__ import annotations

from linecore.errors import ConfigError
from linecore_plugins.mqtt.access import BrokerOptions

NO_MQTT_5 = 0x84
WRONG_ID = 0x85
WRONG_LOGIN = (0x86, 0x87, 0x8A, 0x8C)  # bad name or password, not authorized, banned, bad method
NOT_KEPT = (0x9A, 0x9B)  # retained messages, or QoS 1, are not supported
TAKEN_OVER = 0x8E

ENDS_OVER_A_MESSAGE = (0x81, 0x82, 0x87, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B)
"""Reasons to end a connection that are about what was just published.

They are: malformed packet, protocol error, not authorized, topic name invalid, packet too large, quota exceeded,
payload format invalid, retain or QoS not supported. A protocol error is also what the client itself finds in an answer
that it cannot read: for a message that is too large, Mosquitto 2.0 has a code in its PUBACK that MQTT has not there.
"""


def login_refusal(code: int, name: str, options: BrokerOptions, key: str, client_id: str) -> ConfigError | None:
    """Return the sentence for a connection that was refused for what the file says; None where it may work later."""
    broker = f"{key}.url is '{options.url}', and the broker"
    if code == NO_MQTT_5:
        return ConfigError(f"{broker} speaks no MQTT 5; use one that does")
    if code == WRONG_ID:
        return ConfigError(f"{key}.client_id: the broker refuses '{client_id}'; name another one")
    if code in WRONG_LOGIN:
        return ConfigError(f"{broker} refuses the login ({name}); set user and password, or what it asks for")
    if code in NOT_KEPT:
        return ConfigError(f"{broker} refuses retained messages of QoS 1 ({name}); allow them there")
    return None
