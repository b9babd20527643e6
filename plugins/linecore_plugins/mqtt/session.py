"""One connection to the broker, from its beginning to its end; nothing of it outlives it."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Lock, RLock
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from linecore.errors import ConfigError, ConnectionFailedError, RefusedError
from linecore_plugins.mqtt.access import BrokerOptions, broker_context
from linecore_plugins.mqtt.answers import ENDS_OVER_A_MESSAGE, NOT_KEPT, TAKEN_OVER, login_refusal
from linecore_plugins.mqtt.message import Message

AT_ONCE = 20  # messages on their way at once, unless the broker wants fewer
LOOK_EVERY_S = 0.2  # so that a turn that is over is not waited out
GOODBYE_S = 1.0


class Session:
    """A client that connects once, without a session at the broker that would outlive the connection.

    *ended* is called when the connection is lost, in a thread of the client's, and must be quick.
    """

    def __init__(
        self,
        options: BrokerOptions,
        *,
        key: str,
        client_id: str,
        will: Message | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._options = options
        self._key = key
        self._id = client_id
        self._told_ended = ended
        # Taken as `_lock`, which a turn that ends cannot leave taken; Condition takes it in Python, between two steps.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._publishing = Lock()  # what is on its way at once is counted over all threads
        self._connack: tuple[int, str] | None = None  # reason code and name
        self._announced: dict[str, Any] = {}  # what the broker said of itself
        self._answers: dict[int, tuple[int, str]] = {}  # message id -> reason code and name
        self._end: tuple[int, str] | None = None
        self._client = self._make_client(will)

    @property
    def end(self) -> str | None:
        """Why the connection was lost; None while it lasts."""
        return None if self._end is None else self._end[1]

    @property
    def ended_over_a_message(self) -> bool:
        """True where the broker did not like what was published, and nothing is wrong with the way to it."""
        return self._end is not None and self._end[0] in ENDS_OVER_A_MESSAGE

    def connect(self) -> None:
        """Connect and be let in.

        Raises:
            ConfigError: the broker is there, and refuses what the file says.
            ConnectionFailedError: it is away, or does not want anybody now.
        """
        options = self._options
        try:
            self._client.connect(options.host, options.port, options.keepalive_s, clean_start=True)
        except ssl.SSLError as error:
            raise ConfigError(
                f"{self._key}.url is '{options.url}', and TLS fails: {error.reason or error}; "
                "see tls_ca and tls_certificate"
            ) from None
        except OSError as error:
            raise ConnectionFailedError(error.strerror or str(error) or "no answer in time") from None
        self._client.loop_start()
        with self._lock:
            self._changed.wait_for(lambda: self._connack or self._end, options.timeout_s)
        if self._connack is None:
            raise ConnectionFailedError(self.end or "it has not answered in time")
        code, name = self._connack
        if code < 0x80 and (self._announced.get("RetainAvailable") == 0 or self._announced.get("MaximumQoS") == 0):
            code, name = NOT_KEPT[0], "it says so itself"
        if code >= 0x80:
            refusal = login_refusal(code, name, self._options, self._key, self._id)
            raise refusal or ConnectionFailedError(f"it lets nobody in: {name}")

    def publish(
        self,
        messages: Sequence[Message],
        *,
        timeout_s: float,
        taken: Callable[[Message], None] = lambda message: None,
        at_once: int = AT_ONCE,
    ) -> None:
        """Publish in order; *taken* is told of each message that the broker has acknowledged, at once.

        Returning means that it has acknowledged all of them. Where the answer is open the connection is ended, so that
        nothing of it is sent later.

        Raises:
            ConnectionFailedError: the connection was lost, or not all was acknowledged within *timeout_s*.
            RefusedError: the broker will not take one of them.
        """
        deadline = time.monotonic() + timeout_s
        if not self._publishing.acquire(timeout=timeout_s):
            self._abort()
            raise ConnectionFailedError("it has not acknowledged what was published before")
        waiting: dict[int, Message] = {}
        refused: list[str] = []
        window = min(at_once, self._announced.get("ReceiveMaximum", AT_ONCE))
        try:
            for message in messages:
                while len(waiting) >= window:
                    self._collect(waiting, refused, taken, deadline)
                if refused or self._is_too_large(message, refused):
                    break
                waiting[self._send(message)] = message
            while waiting:
                self._collect(waiting, refused, taken, deadline)
        except BaseException:
            self._abort()
            raise
        finally:
            self._publishing.release()
        if refused:
            raise RefusedError(refused[0])

    def close(self) -> None:
        """Say goodbye, so that the will is not published, and end."""
        if self._end is None and self._client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            with self._lock:
                self._changed.wait_for(lambda: self._end, GOODBYE_S)
        self._abort()
        self._client.loop_stop()

    def _make_client(self, will: Message | None) -> Client:
        options = self._options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = options.timeout_s
        client.max_inflight_messages_set(AT_ONCE)
        client.on_connect = self._has_connected
        client.on_publish = self._has_published
        client.on_disconnect = self._has_ended
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        if options.user is not None:
            client.username_pw_set(options.user, options.password)
        if options.uses_tls:
            client.tls_set_context(broker_context(options, self._key))
        return client

    def _is_too_large(self, message: Message, refused: list[str]) -> bool:
        largest = self._announced.get("MaximumPacketSize")
        if largest is None or message.nbytes <= largest:
            return False
        refused.append(f"{message.topic}: {message.nbytes} bytes, and the broker takes packets of up to {largest}")
        return True

    def _send(self, message: Message) -> int:
        # Not with `_changed` held: the client calls `_has_published` with a lock that this needs.
        # Where the connection has ended the client takes it all the same; nobody answers, and the end says why.
        return self._client.publish(
            message.topic, message.payload, qos=1, retain=message.retain, properties=message.properties
        ).mid

    def _collect(
        self, waiting: dict[int, Message], refused: list[str], taken: Callable[[Message], None], deadline: float
    ) -> None:
        """Wait for an answer or more to what is *waiting*, and take it out of there."""
        with self._lock:
            while not (answered := [mid for mid in waiting if mid in self._answers]):
                left = deadline - time.monotonic()
                if self._end is not None:
                    raise self._lost(waiting)
                if left <= 0:
                    raise ConnectionFailedError(f"{len(waiting)} messages were not acknowledged in time")
                self._changed.wait(min(left, LOOK_EVERY_S))
            answers = [(waiting.pop(mid), *self._answers.pop(mid)) for mid in answered]
        for message, code, name in answers:
            if code >= 0x80:
                refused.append(f"{message.topic}: {name}")
            else:
                taken(message)

    def _lost(self, waiting: dict[int, Message]) -> ConnectionFailedError | RefusedError:
        assert self._end is not None
        code, name = self._end
        if code in ENDS_OVER_A_MESSAGE:
            first = next(iter(waiting.values()))
            return RefusedError(f"{first.topic}: the connection ended over it, or over one that followed: {name}")
        return ConnectionFailedError(name)

    def _abort(self) -> None:
        """End at once, and forget what the system has not sent yet."""
        sock = self._client.socket()
        if sock is not None:
            assert isinstance(sock, socket.socket)  # no websocket here
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)

    # What the client calls, in its own thread

    def _has_connected(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._lock:
            self._connack = (reason.value, str(reason))
            self._announced = {} if properties is None else dict(vars(properties))
            self._changed.notify_all()

    def _has_published(
        self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties
    ) -> None:
        with self._lock:
            self._answers[mid] = (reason.value, str(reason))
            self._changed.notify_all()

    def _has_ended(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        said = str(reason).lower()
        if reason.value == TAKEN_OVER:
            said = f"another program has connected with the client id '{self._id}'"
        elif not flags.is_disconnect_packet_from_server and reason.value == 0x80:
            said = "the connection was lost"
        with self._lock:
            self._end = (reason.value, said)
            self._changed.notify_all()
        self._told_ended()
