"""The plugins of one line: who answers which hook, in which order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Thread
from typing import TYPE_CHECKING

import pluggy

from linecore.alarms import Alarm
from linecore.errors import ConfigError, LinecoreError
from linecore.hookspecs import HookSpecs
from linecore.inspection import Inspection
from linecore.plugins import HOOKS
from linecore.validation import did_you_mean

if TYPE_CHECKING:
    from linecore.line import Line

logger = logging.getLogger(__name__)

STOP_S = 5.0  # a plugin that hangs while it stops is left behind after this


class Roster:
    """Plugin instances by name, registered so that the first is asked first.

    *where* is the file that lists them, for sentences; *failed* is told the plugin, the hook and the exception where a
    plugin raises and the line goes on.

    Raises:
        ConfigError: a plugin answers a hook that does not exist, takes an argument that its hook does not have, or
            answers no hook at all.
    """

    def __init__(
        self, plugins: Mapping[str, object], *, where: str, failed: Callable[[str, str, BaseException], None]
    ) -> None:
        self.where = where
        self._plugins = dict(plugins)
        self._names = {id(plugin): name for name, plugin in self._plugins.items()}
        self._failed = failed
        self._started: list[str] = []
        self._manager = pluggy.PluginManager("linecore")
        self._manager.add_hookspecs(HookSpecs)
        for name, plugin in reversed(self._plugins.items()):
            self._register(name, plugin)
        self._manager.check_pending()
        self._callers = {hook: self._callers_of(hook) for hook in HOOKS}

    @property
    def hook(self) -> pluggy.HookRelay:
        """All plugins at once, for the hooks where the first answer counts."""
        return self._manager.hook

    def __getitem__(self, name: str) -> object:
        return self._plugins[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def name_of(self, plugin: object) -> str:
        """Return the name of a plugin's table."""
        return self._names[id(plugin)]

    def answering(self, *hooks: str) -> list[str]:
        """Return the names of the plugins that answer any of *hooks*, in order."""
        return [name for name in self._plugins if any(name in self._callers[hook] for hook in hooks)]

    def caller(self, name: str, hook: str) -> pluggy.HookCaller | None:
        """Return the caller of one plugin's own answer to *hook*, or None where it has none."""
        return self._callers[hook].get(name)

    def durable_sinks(self) -> list[str]:
        """Return the names of the sinks whose classes promise that what they stored survives a loss of power."""
        return [name for name in self.answering("record") if getattr(self._plugins[name], "durable", False)]

    def start(self, line: Line) -> None:
        """Start every plugin, in order; on failure stop those that were started, and raise what stopped it.

        Raises:
            LinecoreError: what a plugin found wrong, with the file and the plugin's key before its sentence.
        """
        try:
            for name in self._plugins:
                self._started.append(name)
                if start := self.caller(name, "start"):
                    self._start(name, start, line)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every plugin that was started, the last one first; one that raises or hangs stops nobody else."""
        while self._started:
            name = self._started.pop()
            if stop := self.caller(name, "stop"):
                thread = Thread(target=self._stop, args=(name, stop), name=f"stop {name}", daemon=True)
                thread.start()
                thread.join(STOP_S)
                if thread.is_alive():
                    self._failed(name, "stop", TimeoutError(f"it has not returned for {STOP_S:g} s and is left behind"))

    def _start(self, name: str, start: pluggy.HookCaller, line: Line) -> None:
        try:
            start(line=line)
        except LinecoreError as error:
            key = f"plugins.{name}"
            sentence = str(error) if str(error).startswith(key) else f"{key}: {error}"
            raise type(error)(f"{self.where}: {sentence}") from None

    def _stop(self, name: str, stop: pluggy.HookCaller) -> None:
        try:
            stop()
        except BaseException as error:
            self._failed(name, "stop", error)

    def _register(self, name: str, plugin: object) -> None:
        opening = f"{self.where}: plugins.{name}: {type(plugin).__name__}"
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            problem = ", ".join(part.strip() for part in str(error).splitlines() if part.strip())
            raise ConfigError(f"{opening} has a wrong hook: {problem}") from None
        callers = self._manager.get_hookcallers(plugin) or []
        if not callers:
            raise ConfigError(f"{opening} answers no hook; mark its methods with @linecore.hookimpl")
        for caller in callers:
            if not caller.has_spec():
                hint = did_you_mean(caller.name, HOOKS) or f"; there are {', '.join(HOOKS)}"
                raise ConfigError(f"{opening} answers a hook {caller.name!r}, which does not exist{hint}")

    def _callers_of(self, hook: str) -> dict[str, pluggy.HookCaller]:
        answering = {one.plugin_name for one in getattr(self._manager.hook, hook).get_hookimpls()}
        return {
            name: self._manager.subset_hook_caller(
                hook, [other for other in self._plugins.values() if other is not plugin]
            )
            for name, plugin in self._plugins.items()
            if name in answering
        }


class RosterSink:
    """One plugin's ``record`` and ``notify``, called through pluggy: it may take fewer arguments, or answer one."""

    def __init__(self, roster: Roster, name: str) -> None:
        self._record = roster.caller(name, "record")
        self._notify = roster.caller(name, "notify")

    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch, where the plugin does."""
        if self._record is not None:
            self._record(inspections=inspections)

    def notify(self, alarm: Alarm) -> None:
        """Tell of an alarm, where the plugin does."""
        if self._notify is not None:
            self._notify(alarm=alarm)
