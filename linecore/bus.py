"""The event bus: who wants to know is told, and nobody can stop anybody else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from linecore.events import Event

E = TypeVar("E", bound=Event)
logger = logging.getLogger(__name__)


class Bus:
    """Hands each published event to the handlers of its type and of the type's bases, in order of subscription.

    ``failures`` counts the handlers' exceptions: each is logged with its traceback, and the next handler is called.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._handlers: dict[type[Event], tuple[Callable[[Event], None], ...]] = {}
        self._lock = Lock()

    def subscribe(self, event_type: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call *handler* with every event of *event_type*; the answer is a function that ends this."""

        # A wrapper of its own for each subscription, so that the same handler may subscribe twice and leave once.
        def deliver(event: Event) -> None:
            handler(event)  # type: ignore[arg-type]  # `publish` goes by the event's own type

        with self._lock:
            self._handlers[event_type] = (*self._handlers.get(event_type, ()), deliver)

        def unsubscribe() -> None:
            with self._lock:
                kept = tuple(known for known in self._handlers.get(event_type, ()) if known is not deliver)
                self._handlers[event_type] = kept

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Tell everybody who asked; never raises."""
        for event_type in type(event).__mro__:
            for handler in self._handlers.get(event_type, ()):
                try:
                    handler(event)
                except BaseException:  # a plugin that wants to exit, or was cancelled, must not take a thread along
                    with self._lock:
                        self.failures += 1
                    logger.exception("a handler of %s failed", type(event).__name__)
