"""Finds a plugin by name, validates its Config, makes it."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pydantic import BaseModel

from linecore.config import LineConfig, PluginTable
from linecore.entrypoints import load
from linecore.errors import ConfigError, UnknownPluginError
from linecore.hookspecs import HookSpecs
from linecore.validation import did_you_mean, validate

GROUP = "linecore"
HOOKS = tuple(name for name in vars(HookSpecs) if not name.startswith("_"))
"""The names of all hooks, in the order of a line's life."""

_FILE_AND_CLASS = re.compile(r"^(?P<file>.+\.py):(?P<cls>\w+)$")


def known_plugins() -> dict[str, EntryPoint]:
    """Return the installed plugins by type name, without importing them."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def find_plugin(kind: str, folder: Path, *, where: str) -> type:
    """Return the class of the plugin *kind*: an entry point's name, or ``./file.py:Class`` relative to *folder*.

    *where* opens the sentence of an error: the file and the key that names the plugin.

    Raises:
        UnknownPluginError: there is no such plugin.
        MissingExtraError: it needs a package that is not installed.
        ConfigError: its file or class is missing, or its module fails to import.
    """
    if match := _FILE_AND_CLASS.match(kind):
        return _class_in_file(folder / match["file"], match["cls"], where=where, kind=kind)
    entry = known_plugins().get(kind)
    if entry is None:
        known = list(known_plugins())
        hint = did_you_mean(kind, known) or f"; installed are {', '.join(known)}"
        raise UnknownPluginError(f"{where} is {kind!r}, and no plugin has that name{hint}")
    return load_plugin(entry)


def load_plugin(entry: EntryPoint) -> type:
    """Import an installed plugin.

    Raises:
        MissingExtraError: what its entry point's extra names is not installed.
    """
    loaded = load(entry, f"plugin {entry.name!r}")
    assert isinstance(loaded, type)
    return loaded


def _class_in_file(path: Path, name: str, *, where: str, kind: str) -> type:
    if not path.is_file():
        raise UnknownPluginError(
            f"{where} is {kind!r}, but {path} does not exist; name a Python file beside the config"
        )
    module_name = f"linecore_file_{path.stem}_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pydantic look a class's module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise ConfigError(
            f"{where} is {kind!r}, but {path.name} cannot be imported: {type(error).__name__}: {error}; mend the file"
        ) from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [
            cls for cls, value in vars(module).items() if isinstance(value, type) and value.__module__ == module_name
        ]
        hint = did_you_mean(name, classes) or f"; it has {', '.join(classes) or 'no class'}"
        raise UnknownPluginError(f"{where} is {kind!r}, but {path.name} has no class {name!r}{hint}")
    return found


def config_model(cls: type) -> type[BaseModel] | None:
    """Return the plugin's ``Config``, or None where it takes no options."""
    model = getattr(cls, "Config", None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def create_plugin(table: PluginTable, config: LineConfig) -> object:
    """Make a plugin from its table.

    Raises:
        ConfigError: an option is unknown or wrong, the plugin cannot be found, or it answers no hook.
    """
    where, key = config.where, f"plugins.{table.name}"
    cls = find_plugin(table.type, config.folder, where=f"{where}: {key}{'' if table.type == table.name else '.type'}")
    model = config_model(cls)
    if model is None:
        if table.options:
            option = next(iter(table.options))
            raise ConfigError(
                f"{where}: {key}.{option} is not a known key; {cls.__name__} has no Config and takes no keys"
            )
        return cls()
    options = validate(model, table.options, where=where, key=key, shown=table.shown, folder=config.folder)
    return cls(options)


def hooks_of(cls: type) -> Sequence[str]:
    """Return the names of the hooks that a plugin class answers, in the order of a line's life."""
    return [name for name in HOOKS if hasattr(getattr(cls, name, None), "linecore_impl")]
