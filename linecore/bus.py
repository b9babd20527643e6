"""The event bus: who wants to know is told, and nobody can stop anybody else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock, get_ident
from typing import TypeVar

from linecore.events import Event
from linecore.health import Call
from linecore.turns import handler_call, own_work

E = TypeVar("E", bound=Event)
logger = logging.getLogger(__name__)


class Bus:
    """Hands each published event to the handlers of its type and of the type's bases, in order of subscription.

    ``failures`` counts the handlers' exceptions: each is logged with its traceback, and the next handler is called.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._busy: dict[tuple[int, str], float] = {}  # thread and handler -> since when
        self._handlers: dict[type[Event], tuple[Callable[[Event, bool], None], ...]] = {}
        self._lock = Lock()

    def subscribe(self, event_type: type[E], handler: Callable[[E], None], *, own: bool = False) -> Callable[[], None]:
        """Call *handler* with every event of *event_type*; the answer is a function that ends this.

        A handler that takes longer than a worker may is broken off, unless it is the line's *own*.
        """

        # A wrapper of its own for each subscription, so that the same handler may subscribe twice and leave once.
        def deliver(event: Event, breakable: bool) -> None:
            with handler_call() if breakable and not own else own_work():
                handler(event)  # type: ignore[arg-type]  # `publish` goes by the event's own type

        deliver.__name__ = f"the handler {getattr(handler, '__qualname__', type(handler).__name__)}"
        with self._lock:
            self._handlers[event_type] = (*self._handlers.get(event_type, ()), deliver)

        def unsubscribe() -> None:
            with self._lock:
                kept = tuple(known for known in self._handlers.get(event_type, ()) if known is not deliver)
                self._handlers[event_type] = kept

        return unsubscribe

    @property
    def busy(self) -> list[Call]:
        """The handlers that have not returned, longest first."""
        now = time.monotonic()
        calls = [Call(name, now - since, (thread, since)) for (thread, name), since in list(self._busy.items())]
        return sorted(calls, key=lambda call: -call.seconds)

    def publish(self, event: Event) -> None:
        """Tell everybody who asked; never raises, but in a plugin whose turn is over."""
        with own_work() as for_a_plugin:
            # Where it is a plugin's turn that ends, no other plugin is broken off.
            self._tell(event, breakable=not for_a_plugin)

    def _tell(self, event: Event, breakable: bool) -> None:
        for event_type in type(event).__mro__:
            for handler in self._handlers.get(event_type, ()):
                call = (get_ident(), f"{handler.__name__} of {type(event).__name__}")
                self._busy[call] = time.monotonic()
                try:
                    handler(event, breakable)
                except BaseException:  # a plugin that wants to exit, or was cancelled, must not take a thread along
                    with self._lock:
                        self.failures += 1
                    logger.exception("a handler of %s failed", type(event).__name__)
                finally:
                    self._busy.pop(call, None)
