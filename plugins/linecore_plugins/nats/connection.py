"""A connection to a NATS server that comes back by itself, in a thread of its own.

Each connection is a new client: what one learnt is never carried over into the next, so that a server that was
restarted, moved or emptied is met like the first time. The client's own reconnection would send what it had buffered
before anybody has looked whether the streams are still there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from random import Random
from threading import Lock, Thread
from typing import Any, TypeVar

import nats.errors
from nats.aio.client import Client

from linecore.errors import ConfigError, ConnectionFailedError
from linecore_plugins.nats.access import ServerOptions
from linecore_plugins.nats.login import log_in
from linecore_plugins.nats.trouble import sentence

T = TypeVar("T")
Ready = Callable[[], None]
Session = Callable[[Client, Ready], Awaitable[None]]
"""Prepares what is needed on a new connection, calls *ready*, and works until it is cancelled."""

logger = logging.getLogger(__name__)

FLUSH_S = 2  # for the last words when the line stops


class NatsConnection:
    """Keeps one *session* running against the server, and runs other work beside it.

    *key* is the plugin's key in line.toml. *connected* is told of each new connection, *lost* of the reason and the
    seconds until the next attempt; both are called in the connection's thread and must be quick.
    """

    def __init__(
        self,
        options: ServerOptions,
        session: Session,
        *,
        key: str,
        connected: Callable[[], None],
        lost: Callable[[str, float], None],
    ) -> None:
        self._options = options
        self._session = session
        self._key = key
        self._connected = connected
        self._lost = lost
        self._random = Random()
        self._first: Future[None] = Future()  # the outcome of the first attempt
        self._lock = Lock()
        self._client: Client | None = None  # while it is connected and the session is ready
        self._reason = "it has not been tried yet"
        self._tasks: set[asyncio.Future[None]] = set()  # the loop itself holds tasks weakly
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event
        self._thread = Thread(target=self._run, name=f"nats {key}", daemon=True)

    def open(self) -> None:
        """Try for the first time. A server that is away is no failure: it is tried again for ever.

        Raises:
            ConfigError: the server is there, and refuses what the file says.
        """
        self._thread.start()
        self._first.result()

    def close(self) -> None:
        """End the session and the thread; waits until what was published has left."""
        if self._thread.is_alive():
            self._call(self._closing.set)
            self._thread.join()

    def run(self, work: Callable[[Client], Coroutine[Any, Any, T]], timeout_s: float | None = None) -> T:
        """Run *work* with the connected client, from any thread but its own, and return its answer.

        Raises:
            ConnectionFailedError: there is no connection, or no answer within *timeout_s* (default: the option's).
        """
        with self._lock:
            client, reason = self._client, self._reason
        address = self._options.address
        if client is None:
            raise ConnectionFailedError(f"{address} cannot be reached: {reason}")
        future = asyncio.run_coroutine_threadsafe(work(client), self._loop)
        try:
            return future.result(self._options.timeout_s if timeout_s is None else timeout_s)
        except TimeoutError:
            future.cancel()
            raise ConnectionFailedError(f"{address} has not answered in time") from None
        except CancelledError:  # the client was closed meanwhile
            raise ConnectionFailedError(f"{address}: the connection was lost") from None
        except (nats.errors.Error, OSError) as error:
            raise ConnectionFailedError(f"{address}: {sentence(error)}") from None

    def soon(self, work: Callable[[Client], Coroutine[Any, Any, None]]) -> bool:
        """Start *work* in the connection's thread and wait for nothing; False where there is no connection.

        Its failure concerns nobody: an answer that is lost is a delivery that comes again.
        """
        with self._lock:
            client = self._client
        return client is not None and self._call(lambda: self._start(work(client)))

    def _call(self, function: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop has ended meanwhile
            return False
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.debug("%s: a message was not sent: %s", self._key, error)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            if self._first.done():
                raise
            self._first.set_exception(error)  # who opens the connection must not wait for ever

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        closing = asyncio.ensure_future(self._closing.wait())
        failures = 0
        while not self._closing.is_set():
            try:
                lasted = await self._once(closing)
            except ConfigError as error:
                if not self._first.done():
                    self._first.set_exception(error)
                    break
                self._reason, lasted = str(error), False  # it was right once: somebody is at work on the server
            if self._closing.is_set():
                break
            failures = 0 if lasted else failures + 1
            longest = min(self._options.retry_max_s, self._options.retry_s * 2.0 ** min(failures, 30))
            # Jitter, so that the machines of a plant do not all come back to a server at the same moment.
            pause = longest * self._random.uniform(0.5, 1)
            self._lost(self._reason, pause)
            self._tried()
            await asyncio.wait([closing], timeout=pause)
        closing.cancel()

    def _tried(self) -> None:
        if not self._first.done():
            self._first.set_result(None)

    async def _once(self, closing: asyncio.Future[Any]) -> bool:
        """Connect, and run the session until it ends; True where it was ready. The reason is left in ``_reason``."""
        client, ended = Client(), asyncio.Event()
        ready = False

        def is_ready() -> None:
            nonlocal ready
            ready = True
            with self._lock:
                self._client = client
            self._connected()
            self._tried()

        try:
            session = asyncio.ensure_future(self._connect_and_work(client, ended, is_ready))
            closed = asyncio.ensure_future(ended.wait())
            await asyncio.wait([session, closed, closing], return_when=asyncio.FIRST_COMPLETED)
            closed.cancel()
            self._reason = f"the connection was lost{f': {sentence(e)}' if (e := client.last_error) else ''}"
            session.cancel()
            await asyncio.wait([session])
            if not session.cancelled():
                session.result()
        except (nats.errors.Error, OSError) as error:
            # To what is not permitted the server sends no answer, but a complaint beside it.
            complaint = client.last_error
            refused = complaint is not None and "permission" in str(complaint).lower()
            self._reason = sentence(complaint if complaint is not None and refused else error)
        except ConfigError:
            raise
        except Exception as error:  # a mistake of the session's own must not end the thread unseen
            logger.exception("%s: the session failed", self._key)
            self._reason = f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._client = None
            await _let_go(client)
        return ready

    async def _connect_and_work(self, client: Client, ended: asyncio.Event, ready: Ready) -> None:
        await log_in(client, self._options, self._key, ended)
        await self._session(client, ready)


async def _let_go(client: Client) -> None:
    """Close, after what was published has left; the server may be gone, and is not waited for then."""
    try:
        if client.is_connected:
            await client.flush(FLUSH_S)
    except (nats.errors.Error, OSError):
        logger.debug("what was published last may not have arrived", exc_info=True)
    try:
        await asyncio.wait_for(client.close(), FLUSH_S)
    except (nats.errors.Error, OSError, AttributeError, AssertionError):  # the last two: it was never connected
        logger.debug("closing a NATS connection failed", exc_info=True)
