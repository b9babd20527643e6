"""How each plugin is: what it is busy with, how often it was called, how often and how it failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, get_ident

from linecore.clock import Clock


@dataclass(frozen=True, slots=True)
class Call:
    """A call into a plugin that has not returned."""

    hook: str
    seconds: float
    key: tuple[int, float]  # tells this call from every other


@dataclass(frozen=True, slots=True)
class PluginHealth:
    """One plugin at one moment."""

    plugin: str
    calls: int
    failures: int
    error: str | None  # of the last failure
    busy: tuple[Call, ...] = ()  # longest first

    def stuck(self, limit_s: float) -> Call | None:
        """Return the call that has gone on for longest, where it is longer than *limit_s*."""
        return self.busy[0] if self.busy and self.busy[0].seconds > limit_s else None


class Health:
    """Keeps the health of one plugin, whose hooks are called from many threads."""

    def __init__(self, plugin: str, clock: Clock, hide: Callable[[str], str] = str) -> None:
        self.plugin = plugin
        self._hide = hide  # takes secrets out of what an exception says
        self._clock = clock
        self._lock = Lock()
        self._calls: Counter[str] = Counter()
        self._failures = 0
        self._error: str | None = None
        self._busy: dict[int, tuple[str, float]] = {}  # thread -> hook, since when

    @contextmanager
    def calling(self, hook: str) -> Iterator[None]:
        """Take note of a call, and of what it raises."""
        thread = get_ident()
        with self._lock:
            self._calls[hook] += 1
            self._busy[thread] = (hook, self._clock.monotonic())
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            with self._lock:
                self._busy.pop(thread, None)

    def failed(self, error: BaseException) -> None:
        """Take note of a failure."""
        with self._lock:
            self._failures += 1
            self._error = self._hide(f"{type(error).__name__}: {error}")

    def snapshot(self) -> PluginHealth:
        """Return the health at this moment."""
        now = self._clock.monotonic()
        with self._lock:
            busy = [Call(hook, now - since, (thread, since)) for thread, (hook, since) in self._busy.items()]
            busy.sort(key=lambda call: -call.seconds)
            return PluginHealth(self.plugin, self._calls.total(), self._failures, self._error, tuple(busy))
