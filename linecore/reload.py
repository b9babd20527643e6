"""Reload: a line goes on with a new version of its file, from one frame to the next.

Everything that can be found wrong is found while the old configuration still runs: the file, the plugins' options, a
model that does not load. Plugins whose tables have not changed go on as they are, with their connections and their
queues; a sink that has changed takes over its queue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from linecore.checks import check_complete, check_names
from linecore.config import LineConfig, PluginTable
from linecore.errors import ConfigError, LinecoreError
from linecore.events import ConfigChanged
from linecore.inspection import Frame, read_only
from linecore.line import Line, intake_of, workers_of
from linecore.plugins import create_plugin
from linecore.setup import Setup

logger = logging.getLogger(__name__)

_WARM_SIDE = 64  # pixels of the frame that warms a model; it is resized anyway


@dataclass(frozen=True, slots=True)
class Difference:
    """Which plugins stay, go and come."""

    kept: tuple[str, ...]
    gone: tuple[str, ...]  # removed, or changed: the old ones
    new: tuple[str, ...]  # added, or changed: the new ones

    @classmethod
    def between(cls, before: Sequence[PluginTable], after: Sequence[PluginTable]) -> Difference:
        """Compare the tables of two versions of a file."""
        old, now = ({table.name: table for table in tables} for tables in (before, after))
        kept = [name for name in now if name in old and _same(old[name], now[name])]
        return cls(
            tuple(kept),
            tuple(name for name in old if name not in kept),
            tuple(name for name in now if name not in kept),
        )


def reload_line(line: Line, config: LineConfig) -> tuple[str, ...]:
    """Go on with *config*; the answer names what has changed.

    Raises:
        LinecoreError: the new configuration cannot be used; the line goes on as it was.
    """
    if not line.changing.acquire(blocking=False):
        raise ConfigError(f"{config.where}: another reload of the line {line.name!r} is under way; wait for it")
    line.coming_config = config  # whose secrets must not come out either
    try:
        return _reload(line, config)
    except LinecoreError as error:
        raise type(error)(config.secrets.hide(str(error))) from None
    except Exception as error:
        said = config.secrets.hide(f"{type(error).__name__}: {error}")
        raise ConfigError(f"{config.where}: a plugin cannot be started: {said}") from None
    except (SystemExit, GeneratorExit) as error:
        raise ConfigError(f"{config.where}: a plugin wants to end the process ({type(error).__name__})") from None
    finally:
        line.coming_config = None
        line.changing.release()


def _reload(line: Line, config: LineConfig) -> tuple[str, ...]:
    before = line.setup
    if config.line.name != line.name:
        raise ConfigError(f"{config.where}: line.name is {config.line.name!r}; a line that runs keeps its name")
    difference = Difference.between(before.tables, config.plugins)
    tables = {table.name: table for table in config.plugins}
    plugins = {
        name: before.roster[name] if name in difference.kept else create_plugin(tables[name], config) for name in tables
    }
    after = line.make_setup(
        config.line, plugins, config.decision, config.alarms, config.hash, config.plugins, before.roster
    )
    changes = tuple(_changes(before, config, difference))
    check_complete(after.roster)
    with _known(line, after):
        _prepare(line, after, difference)
        _switch(line, after, difference, config)
    line.bus.publish(ConfigChanged(line.name, line.clock.now(), before.config_hash, after.config_hash, changes))
    return changes


def _prepare(line: Line, after: Setup, difference: Difference) -> None:
    """Start what comes, but for sources: an address can be bound once, so the old one has to let it go first."""
    coming = [name for name in difference.new if name not in after.roster.answering("frames")]
    after.roster.start(line, coming)
    try:
        check_names(after.roster, after.rules, after.alarms, names=(*difference.kept, *coming))
        if any(name in coming for name in after.roster.answering("classify")):
            _warm(line, after)
    except BaseException:
        after.roster.stop(coming)
        raise


def _warm(line: Line, after: Setup) -> None:
    grey = read_only(np.full((_WARM_SIDE, _WARM_SIDE), 128, np.uint8))
    try:
        after.inspector.warm(Frame(f"{line.name}/warm-up", line.name, "warm-up", 0, line.clock.now(), grey))
    except LinecoreError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{line.where}: the new classifier cannot judge a grey frame: {said}") from error


@contextmanager
def _known(line: Line, setup: Setup) -> Iterator[None]:
    """Have the line know the plugins of *setup* by their names while they start."""
    line.coming = setup
    try:
        yield
    finally:
        line.coming = None


def _switch(line: Line, after: Setup, difference: Difference, config: LineConfig) -> None:
    """Go on with *after*, whose plugins are started but for its sources.

    Raises:
        LinecoreError: a source cannot be started; what was there is there again.
    """
    before, gone, new = line.setup, difference.gone, difference.new
    old_sources = [name for name in before.roster.answering("frames") if name in gone]
    new_sources = [name for name in after.roster.answering("frames") if name in new]
    line.feed.stop(old_sources)
    before.roster.stop(old_sources)
    try:
        after.roster.start(line, new_sources)
    except BaseException:
        after.roster.stop([name for name in new if name not in new_sources])
        _bring_back(line, old_sources)
        raise
    after.roster.adopt([name for name in before.roster if name in difference.kept])
    before.roster.disown(difference.kept)
    line.setup, line.config = after, config  # from here on, frames are judged by the new one
    line.board.use(after.alarms)
    _take_settings(line, config)
    line.crew.forgive()
    line.dispatch.change_lanes(before.roster, after.roster, gone, new)
    _let_in(line, after, new_sources)
    before.wait_until_unused(after.settings.worker_timeout_s)
    before.roster.stop([name for name in gone if name not in old_sources])


def _bring_back(line: Line, sources: Sequence[str]) -> None:
    """Start sources anew that had to make room for others, which then could not be started."""
    assert line.config is not None
    setup, tables = line.setup, {table.name: table for table in line.setup.tables}
    fresh = {name: create_plugin(tables[name], line.config) for name in sources}
    plugins = {name: fresh.get(name) or setup.roster[name] for name in setup.roster}
    restored = line.make_setup(
        setup.settings, plugins, setup.rules, setup.alarms, setup.config_hash, setup.tables, setup.roster
    )
    with _known(line, restored):
        restored.roster.start(line, sources)
    kept = [name for name in plugins if name not in fresh]
    restored.roster.adopt(kept)
    setup.roster.disown(kept)
    line.setup = restored
    _let_in(line, restored, sources)


def _let_in(line: Line, setup: Setup, sources: Sequence[str]) -> None:
    for name in sources:
        line.dispatch.tell(name, setup.roster)
    line.feed.start(setup.roster, sources)


def _take_settings(line: Line, config: LineConfig) -> None:
    line.crew.timeout_s = config.line.worker_timeout_s
    line.crew.resize(workers_of(config.line))
    line.intake.resize(intake_of(config.line))
    line.dispatch.use(config.line, config.journal)


def _changes(before: Setup, config: LineConfig, difference: Difference) -> Iterator[str]:
    """Name what has changed by its key; values of plugins stay unsaid, since they may be secrets."""
    old = {table.name: table for table in before.tables}
    for name in difference.gone:
        if name not in difference.new:
            yield f"plugins.{name} removed"
    for table in config.plugins:
        if table.name not in difference.new:
            continue
        if table.name not in old:
            yield f"plugins.{table.name} added"
            continue
        keys = _different(old[table.name].options, table.options)
        yield from (f"plugins.{table.name}.{key}" for key in keys or ["type"])
    for name, models in (("line", (before.settings, config.line)), ("decision", (before.rules, config.decision))):
        was, now = (model.model_dump() for model in models)
        for key in _different(was, now):
            yield f"{name}.{key}: {was[key]!r} -> {now[key]!r}"
    if tuple(before.alarms) != config.alarms:
        yield "alarms"


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _same(before: PluginTable, after: PluginTable) -> bool:
    return before.type == after.type and before.options == after.options
