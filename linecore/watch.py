"""Looks after a line that runs: plugins and workers that hang, alarms that time alone changes, the hourly ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread

from linecore.alarms import AlarmBoard, Priority
from linecore.bus import Bus
from linecore.clock import Clock
from linecore.events import PluginStuck
from linecore.setup import Setup
from linecore.workers import Workers

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
LEDGER_EVERY_S = 3600.0  # how often the history gets the balance of each source

NO_WORKERS = "no worker is left"


class Watch:
    """Looks every quarter of a second, in a thread of its own, which no plugin can hold up.

    *setup* gives what runs now, *stranded* takes the frames that no worker is left for, *log_ledger* writes the
    balance into the history.
    """

    def __init__(
        self,
        *,
        setup: Callable[[], Setup],
        bus: Bus,
        board: AlarmBoard,
        crew: Workers,
        clock: Clock,
        stranded: Callable[[], None],
        log_ledger: Callable[[], None],
    ) -> None:
        self._setup = setup
        self._bus = bus
        self._board = board
        self._crew = crew
        self._clock = clock
        self._stranded = stranded
        self._log_ledger = log_ledger
        self._told: set[tuple[int, float]] = set()
        self._stuck_handlers: set[str] = set()
        self._stopped = Flag()
        self._thread = Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Look no more; waits for a look that is under way."""
        self._stopped.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        due = self._clock.monotonic() + LEDGER_EVERY_S
        while not self._stopped.wait(LOOK_EVERY_S):
            if self._clock.monotonic() >= due:
                due += LEDGER_EVERY_S
                self._log_ledger()
            self._board.tick()
            self._crew.check()
            self.look_at_plugins()
            self._look_at_workers()

    def look_at_plugins(self) -> None:
        """Name the plugins and handlers that are stuck, each call once, and raise their alarm while it lasts."""
        settings = self._setup().settings
        limit_s = min(settings.worker_timeout_s, settings.sink_timeout_s)
        self._told = self._stuck_plugins(limit_s) | self._stuck_in_handlers(limit_s)

    def _stuck_plugins(self, limit_s: float) -> set[tuple[int, float]]:
        stuck: set[tuple[int, float]] = set()
        for health in self._setup().roster.health():
            call = health.stuck(limit_s)
            alarm = f"plugin {health.plugin} is stuck"
            if call is None:
                self._board.clear_own(alarm, "it has returned")
                continue
            stuck.add(call.key)
            if call.key not in self._told:
                logger.warning("plugin %s has not returned from %s for %.1f s", health.plugin, call.hook, call.seconds)
                self._bus.publish(PluginStuck(health.plugin, call.hook, call.seconds))
            said = f"plugin {health.plugin} does not return from {call.hook}; the line goes on without it"
            self._board.raise_own(alarm, Priority.HIGH, said)
        return stuck

    def _stuck_in_handlers(self, limit_s: float) -> set[tuple[int, float]]:
        stuck: set[tuple[int, float]] = set()
        busy = self._bus.busy
        for handler in busy:
            if handler.seconds > limit_s:
                stuck.add(handler.key)
                if handler.key not in self._told:
                    logger.warning("%s has not returned for %.1f s", handler.hook, handler.seconds)
                    self._board.raise_own(f"{handler.hook} is stuck", Priority.HIGH, f"{handler.hook} does not return")
                    self._stuck_handlers.add(handler.hook)
        for name in self._stuck_handlers - {one.hook for one in busy}:
            self._board.clear_own(f"{name} is stuck", "it has returned")
            self._stuck_handlers.discard(name)
        return stuck

    def _look_at_workers(self) -> None:
        """Say so where no worker is left, and let the frames that wait have their NO_RESULT all the same."""
        if not self._crew.all_hang:
            self._board.clear_own(NO_WORKERS, "there are workers again")
            return
        said = "every worker hangs in a plugin; frames get NO_RESULT until the plugin is mended and the line reloaded"
        self._board.raise_own(NO_WORKERS, Priority.CRITICAL, said)
        self._stranded()
