"""Does something aside: in a thread of its own, so that whoever asks for it cannot hang with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock, Thread

logger = logging.getLogger(__name__)

AT_ONCE = 16  # that may hang; beyond, what was to be done aside is left undone, and said so


class Aside:
    """Runs functions that may hang, such as telling handlers of an event, for threads that must not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._running = 0

    def run(self, function: Callable[[], object], timeout_s: float) -> bool:
        """Run *function*, and wait for it up to *timeout_s* seconds; False where nobody waits for it any longer."""
        with self._lock:
            if self._running >= AT_ONCE:
                logger.error("%s: %d calls hang, so one more is not made", self._name, self._running)
                return False
            self._running += 1

        def work() -> None:
            try:
                function()
            except BaseException:
                logger.exception("%s failed", self._name)
            finally:
                with self._lock:
                    self._running -= 1

        thread = Thread(target=work, name=self._name, daemon=True)
        thread.start()
        thread.join(timeout_s)
        return not thread.is_alive()
