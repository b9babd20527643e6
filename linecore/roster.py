"""The plugins of one line: who answers which hook, in which order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from threading import Lock, Thread
from typing import TYPE_CHECKING

import pluggy

from linecore.alarms import Alarm
from linecore.clock import Clock, SystemClock
from linecore.errors import ConfigError, ConnectionFailedError, LinecoreError
from linecore.health import Health, PluginHealth
from linecore.hookspecs import HookSpecs
from linecore.inspection import Inspection
from linecore.log import LogEntry
from linecore.packing import Kind
from linecore.plugins import HOOKS
from linecore.sink import HOOK_OF
from linecore.turns import own_work, plugin_call
from linecore.validation import did_you_mean

if TYPE_CHECKING:
    from linecore.line import Line

logger = logging.getLogger(__name__)

STOP_S = 5.0  # a plugin that hangs while it stops is left behind after this


class Roster:
    """Plugin instances by name, registered so that the first is asked first.

    *where* is the file that lists them, for sentences; *failed* is told the plugin, the hook and the exception where a
    plugin raises and the line goes on. Every call is taken note of, so that a plugin that is stuck can be named; those
    that *before* had already go on being counted.

    Raises:
        ConfigError: a plugin answers a hook that does not exist, takes an argument that its hook does not have, or
            answers no hook at all.
    """

    def __init__(
        self,
        plugins: Mapping[str, object],
        *,
        where: str,
        failed: Callable[[str, str, BaseException], None],
        clock: Clock | None = None,
        before: Roster | None = None,
        hide: Callable[[str], str] = str,
    ) -> None:
        self.where = where
        self._hide = hide
        self._health: dict[str, Health] = {name: Health(name, clock or SystemClock(), hide) for name in plugins}
        if before is not None:
            kept = [name for name in before if before[name] is plugins.get(name)]
            self._health.update({name: before._health[name] for name in kept})
        self._plugins = dict(plugins)
        self._names = {id(plugin): name for name, plugin in self._plugins.items()}
        self._failed = failed
        self._started: list[str] = []
        self._late: dict[str, Line] = {}  # sinks that are still to be started
        self._late_lock = Lock()
        self._manager = pluggy.PluginManager("linecore")
        self._manager.add_hookspecs(HookSpecs)
        for name, plugin in reversed(self._plugins.items()):
            self._register(name, plugin)
        self._manager.check_pending()
        self._callers = {hook: self._callers_of(hook) for hook in HOOKS}

    def __getitem__(self, name: str) -> object:
        return self._plugins[name]

    def get(self, name: str) -> object | None:
        """Return a plugin, or None where there is none of that name."""
        return self._plugins.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def name_of(self, plugin: object) -> str | None:
        """Return the name of a plugin's table, or None where it is not here."""
        return self._names.get(id(plugin))

    def answering(self, *hooks: str) -> list[str]:
        """Return the names of the plugins that answer any of *hooks*, in order."""
        return [name for name in self._plugins if any(name in self._callers[hook] for hook in hooks)]

    def caller(self, name: str, hook: str) -> pluggy.HookCaller | None:
        """Return the caller of one plugin's own answer to *hook*, or None where it has none."""
        return self._callers[hook].get(name)

    def ask(self, name: str, hook: str, **arguments: object) -> object:
        """Return one plugin's own answer to *hook*; None where it has none.

        Raises:
            BaseException: what the plugin raised.
        """
        caller = self._callers[hook].get(name)
        if caller is None:
            return None
        with own_work(), self._health[name].calling(hook), plugin_call():
            answer: object = caller(**arguments)
        if caller.spec is not None and caller.spec.opts["firstresult"]:
            return answer
        return answer[0] if isinstance(answer, list) and answer else None

    def health(self) -> list[PluginHealth]:
        """Return the health of every plugin, in order."""
        return [self._health[name].snapshot() for name in self._plugins]

    def note_failure(self, name: str, error: BaseException) -> None:
        """Count a failure that happened outside a call, such as in the frames that a source yields."""
        if name in self._health:
            self._health[name].failed(error)

    def keepers(self) -> list[str]:
        """Return the names of the sinks that inspections are kept for until they have taken them."""
        return [name for name in self.answering("record") if not self.is_live(name)]

    def forwards(self) -> bool:
        """Say whether the line hands its frames on instead of judging them: a sink forwards, and nothing classifies."""
        forwarding = any(getattr(self._plugins[name], "forwards", False) for name in self.answering("record"))
        return forwarding and not self.answering("classify")

    def is_live(self, name: str) -> bool:
        """Say whether a sink is only for the moment: its class says ``live = True``."""
        return bool(getattr(self._plugins[name], "live", False))

    def start(self, line: Line, names: Sequence[str] | None = None, *, patient: Collection[str] = ()) -> None:
        """Start every plugin, or those of *names*, in order; on failure stop those, and raise what stopped it.

        Sinks among *patient* may come later: where what one talks to is away, it is started before its next delivery.

        Raises:
            LinecoreError: what a plugin found wrong, with the file and the plugin's key before its sentence.
        """
        try:
            for name in self._plugins if names is None else names:
                self._started.append(name)
                if "start" in self._hooks_of(name):
                    self._start_or_wait(name, line, patient)
        except BaseException:
            self.stop(names)
            raise

    def start_at_last(self, name: str) -> None:
        """Start a sink that was away when the line started.

        Raises:
            ConnectionFailedError: it still is.
        """
        with self._late_lock:
            if (line := self._late.get(name)) is not None:
                self._start(name, line)
                del self._late[name]

    def adopt(self, names: Sequence[str]) -> None:
        """Take plugins over that another roster has started."""
        self._started += names

    def disown(self, names: Collection[str]) -> None:
        """Give plugins up that another roster has adopted."""
        self._started = [name for name in self._started if name not in names]

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop every plugin that was started, or those of *names*, the last one first.

        One that raises or hangs stops nobody else.
        """
        for name in [one for one in reversed(self._started) if names is None or one in names]:
            self._started.remove(name)
            if "stop" in self._hooks_of(name):
                thread = Thread(target=self._stop, args=(name,), name=f"stop {name}", daemon=True)
                thread.start()
                thread.join(STOP_S)
                if thread.is_alive():
                    self._failed(name, "stop", TimeoutError(f"it has not returned for {STOP_S:g} s and is left behind"))

    def _hooks_of(self, name: str) -> list[str]:
        return [hook for hook, callers in self._callers.items() if name in callers]

    def _start_or_wait(self, name: str, line: Line, patient: Collection[str]) -> None:
        try:
            self._start(name, line)
        except ConnectionFailedError as error:
            if name not in patient:
                raise
            self._late[name] = line
            self._failed(name, "start", error)

    def _start(self, name: str, line: Line) -> None:
        try:
            self.ask(name, "start", line=line)
        except LinecoreError as error:
            key = f"plugins.{name}"
            sentence = str(error) if str(error).startswith(key) else f"{key}: {error}"
            raise type(error)(self._hide(f"{self.where}: {sentence}")) from None

    def _stop(self, name: str) -> None:
        try:
            self.ask(name, "stop")
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
    """One plugin's ``record``, ``notify`` and ``log``, called through pluggy: it may take fewer arguments."""

    def __init__(self, roster: Roster, name: str) -> None:
        self.takes: frozenset[Kind] = frozenset(
            kind for kind, hook in HOOK_OF.items() if roster.caller(name, hook) is not None
        )
        self.pixels = bool(getattr(roster[name], "pixels", True))
        self.names_evidence = roster.caller(name, "evidence") is not None
        self._roster = roster
        self._name = name

    def record(self, inspections: Sequence[Inspection]) -> None:
        """Store a batch."""
        self._roster.start_at_last(self._name)
        self._roster.ask(self._name, "record", inspections=inspections)

    def notify(self, alarm: Alarm) -> None:
        """Tell of an alarm."""
        self._roster.start_at_last(self._name)
        self._roster.ask(self._name, "notify", alarm=alarm)

    def log(self, entries: Sequence[LogEntry]) -> None:
        """Store log entries."""
        self._roster.start_at_last(self._name)
        self._roster.ask(self._name, "log", entries=entries)
