"""A connection to the broker that comes back by itself, and brings what the broker is to keep along each time.

Each connection is a new client: the queue of one that failed goes with it, and cannot send anything later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from random import Random
from threading import Condition, RLock, Thread
from threading import Event as Flag

from linecore.errors import ConfigError, ConnectionFailedError, RefusedError
from linecore_plugins.mqtt.access import BrokerOptions
from linecore_plugins.mqtt.message import Message
from linecore_plugins.mqtt.session import AT_ONCE, Session

logger = logging.getLogger(__name__)

CLOSE_S = 4.0  # within what a line gives a plugin to stop
FAREWELL_S = 2.0
STEADY_S = 10.0  # of a connection, after which the next attempt is a first one; two with one client id would race else


class BrokerConnection:
    """Keeps *will* in place at the broker, and what *standing* returns published there.

    *standing* is asked on each new connection, after each :meth:`wake` and, where there is a *refresh_s*, when nothing
    has happened for so long; *last_words* before a connection is closed. Both are called in the connection's thread.
    *key* is the plugin's key in line.toml.
    """

    def __init__(
        self,
        options: BrokerOptions,
        *,
        key: str,
        client_id: str,
        will: Message,
        standing: Callable[[], Sequence[Message]],
        last_words: Callable[[], Sequence[Message]],
        refresh_s: float | None = None,
    ) -> None:
        self._options = options
        self._key = key
        self._id = client_id
        self._will = will
        self._standing = standing
        self._last_words = last_words
        self._refresh_s = refresh_s
        self._random = Random()
        # Taken as `_lock`, which a turn that ends cannot leave taken; Condition takes it in Python, between two steps.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._session: Session | None = None  # while it is connected and has all that is standing
        self._reason = "it has not been tried yet"
        self._pausing = False  # between two attempts
        self._closing = Flag()
        self._woken = False
        self._stands: dict[str, bytes] = {}  # topic -> what the broker keeps since this session began
        self._at_once = AT_ONCE
        self._thread = Thread(target=self._run, name=f"mqtt {key}", daemon=True)

    def probe(self) -> None:
        """Connect once under another client id, and go, so that a line that is served with the same file goes on.

        Raises:
            ConfigError: the broker is there, and refuses what the file says.
            ConnectionFailedError: it is away.
        """
        session = Session(self._options, key=self._key, client_id=f"{self._id}-check")
        try:
            session.connect()
        except ConnectionFailedError as error:
            raise ConnectionFailedError(f"{self._options.url} cannot be reached: {error}") from None
        finally:
            session.close()

    def open(self) -> None:
        """Connect, and come back for ever."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new in what *standing* returns; waits for nothing."""
        with self._lock:
            self._woken = True
            self._changed.notify_all()

    def publish(self, messages: Sequence[Message], taken: Callable[[Message], None] = lambda message: None) -> None:
        """Publish in order; returning means that the broker has acknowledged all of them.

        Raises:
            ConnectionFailedError: the broker is away; the same must come again.
            RefusedError: it will not take one of them.
        """
        address, timeout_s = self._options.url, self._options.timeout_s
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._changed.wait_for(
                lambda: self._session is not None or self._pausing or self._closing.is_set(), timeout_s
            )
            session, stands, reason = self._session, self._stands, self._reason

        def note(message: Message) -> None:
            if message.retain:
                stands[message.topic] = message.payload
            taken(message)

        if session is None:
            raise ConnectionFailedError(f"{address} cannot be reached: {reason}")
        try:
            left = deadline - time.monotonic()
            session.publish(messages, timeout_s=max(0.0, left), taken=note, at_once=self._at_once)
        except ConnectionFailedError as error:
            raise ConnectionFailedError(f"{address}: {error}") from None
        except RefusedError as error:
            self._at_once = 1  # so that nothing overtakes what is refused only for now
            raise RefusedError(f"{address} refuses {error}") from None
        self._at_once = AT_ONCE

    def close(self) -> None:
        """Say the last words, and disconnect; a broker that is away has been told the will instead."""
        with self._lock:
            self._closing.set()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            failures = 0 if self._once() else failures + 1
            if self._closing.is_set():
                break
            longest = min(self._options.retry_max_s, self._options.retry_s * 2.0 ** min(failures, 30))
            # Jitter, so that the machines of a plant do not all come back to a broker at the same moment.
            pause = longest * self._random.uniform(0.5, 1)
            logger.warning(
                "%s: %s cannot be used: %s; trying again in %.1f s", self._key, self._options.url, self._reason, pause
            )
            with self._lock:
                self._pausing = True
                self._changed.notify_all()
                self._changed.wait_for(self._closing.is_set, pause)
                self._pausing = False

    def _once(self) -> bool:
        """Connect, and keep what is standing up to date until the end; True where it was right for a while."""
        session: Session | None = None
        try:
            session = Session(self._options, key=self._key, client_id=self._id, will=self._will, ended=self._notify_all)
            session.connect()
            self._stands = {}
            self._keep_up(session)
            with self._lock:
                self._session = session
                self._changed.notify_all()
            logger.info("%s: connected to %s", self._key, self._options.url)
            began = time.monotonic()
            self._work(session)
            self._reason = session.end or "the connection was lost"
            return session.ended_over_a_message or time.monotonic() - began > STEADY_S
        except (ConfigError, ConnectionFailedError) as error:  # a wrong login was right once: somebody is at work there
            self._reason = str(error)
        except Exception as error:  # a mistake of one's own must not end the thread unseen
            logger.exception("%s: the connection failed", self._key)
            self._reason = f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._session = None
            if session is not None:
                session.close()
        return False

    def _work(self, session: Session) -> None:
        while True:
            with self._lock:
                self._changed.wait_for(
                    lambda: self._woken or self._closing.is_set() or session.end is not None, self._refresh_s
                )
                closing = self._closing.is_set()
            if session.end is not None:
                return
            if closing:
                self._say(session, self._last_words(), FAREWELL_S)
                return
            self._keep_up(session)

    def _keep_up(self, session: Session) -> None:
        with self._lock:
            self._woken = False
        news = [one for one in self._standing() if self._stands.get(one.topic) != one.payload]
        self._say(session, news, self._options.timeout_s)

    def _say(self, session: Session, messages: Sequence[Message], timeout_s: float) -> None:
        """Publish one by one: one that is refused must not keep the others from being said."""
        for message in messages:
            try:
                session.publish([message], timeout_s=timeout_s)
            except RefusedError as error:
                logger.warning("%s: %s refuses %s", self._key, self._options.url, error)
            self._stands[message.topic] = message.payload

    def _notify_all(self) -> None:
        with self._lock:
            self._changed.notify_all()
