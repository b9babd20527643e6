"""line.toml -> LineConfig, and every mistake in it -> one sentence with file, key, value and wish."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from linecore.alarms import AlarmRule
from linecore.decision import DecisionRules
from linecore.errors import ConfigError
from linecore.inspection import Decision
from linecore.journal_settings import JournalSettings
from linecore.secrets import NAMED, NO_SECRETS, Secrets
from linecore.validation import shown_value, validate


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    path = path.expanduser()
    return path if folder is None else Path(folder) / path


LinePath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path in a plugin's ``Config``: relative ones count from the folder of line.toml."""


def as_written(info: ValidationInfo, key: str) -> str | None:
    """Return a text of a plugin's table as it stands in the file: with ``${NAME}`` where a secret goes.

    For a plugin's ``Config`` that is being validated; None where it does not come from a file.
    """
    shown = (info.context or {}).get("shown")
    found = shown.get(key) if isinstance(shown, Mapping) else None
    return found if isinstance(found, str) else None


class LineSettings(BaseModel):
    """The table ``[line]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="what the line is called in the history; letters, digits, '.', '_' and '-', 64 at most",
    )
    workers: int | None = Field(None, ge=1, le=256, description="threads that inspect; unset: one for each core")
    intake: int | None = Field(None, ge=1, description="frames that wait for a worker; unset: two for each worker")
    explain: tuple[Decision, ...] = Field(
        (Decision.FAIL, Decision.UNCERTAIN), description="decisions whose frames get a heat map"
    )
    worker_timeout_s: float = Field(
        10, gt=0, le=86_400, description="seconds after which a plugin that does not return a frame is left behind"
    )
    lane_mb: float = Field(
        256, gt=0, le=1_000_000, description="megabytes that wait for one sink in memory; more waits in the journal"
    )
    sink_timeout_s: float = Field(
        10, gt=0, le=86_400, description="seconds after which a sink's turn is over, and the same comes again"
    )
    sink_attempts: int = Field(
        10, ge=1, description="times that a sink may refuse a batch before its deliveries are offered one by one"
    )
    memory_mb: float | None = Field(
        None, gt=0, description="megabytes of the process beyond which it drains and starts anew; unset: no limit"
    )
    drain_timeout_s: float = Field(30, gt=0, le=86_400, description="seconds that stopping waits for the sinks")


@dataclass(frozen=True, slots=True)
class PluginTable:
    """One table ``[plugins.<name>]``, not yet validated by its plugin."""

    name: str
    type: str
    options: Mapping[str, Any] = field(repr=False)  # may hold secrets, so nothing prints them
    shown: Mapping[str, Any] = field(repr=False)  # as written: ${NAME} where a secret stands


@dataclass(frozen=True, slots=True)
class LineConfig:
    """A line's file, read and validated but for the plugins' own options."""

    path: Path
    where: str  # the file as its user named it, for sentences
    line: LineSettings
    decision: DecisionRules
    plugins: tuple[PluginTable, ...]
    journal: JournalSettings
    alarms: tuple[AlarmRule, ...]
    hash: str  # sha256 of the file's content, secrets left out
    secrets: Secrets = NO_SECRETS  # what must not come out again

    @property
    def folder(self) -> Path:
        """The folder of the file, which relative paths count from."""
        return self.path.parent


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    line: LineSettings
    decision: DecisionRules = DecisionRules()
    journal: JournalSettings = JournalSettings()
    plugins: dict[str, dict[str, Any]] = {}
    alarms: tuple[AlarmRule, ...] = ()


def _with_secrets(value: Any, environment: Mapping[str, str], where: str, key: str) -> Any:
    """Return *value* with each ${NAME} replaced from the environment."""
    if isinstance(value, str):

        def secret(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in environment:
                raise ConfigError(
                    f"{where}: {key} is {shown_value(value)}, but the environment has no {name}; export it first"
                )
            return environment[name]

        return NAMED.sub(secret, value)
    if isinstance(value, dict):
        return {
            name: _with_secrets(inner, environment, where, f"{key}.{name}" if key else name)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_secrets(inner, environment, where, f"{key}.{at}") for at, inner in enumerate(value)]
    return value


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> LineConfig:
    """Read a line's file.

    Raises:
        ConfigError: the file is missing, is not TOML, or something in it is wrong.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `linecore init` writes one") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; name a readable TOML file") from None
    return parse_config(content, path, os.environ if environment is None else environment)


def parse_config(content: bytes, path: Path, environment: Mapping[str, str]) -> LineConfig:
    """Validate the content of a line's file; *path* is where it stands.

    Raises:
        ConfigError: it is not TOML, or something in it is wrong.
    """
    where = str(path)
    try:
        written = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}; mend that line") from None
    folder = path.resolve().parent
    table = _with_secrets(written, environment, where, "")
    document = validate(_Document, table, where=where, key="", shown=written, folder=folder)
    plugins = []
    for name, options in document.plugins.items():
        shown = written["plugins"][name]
        kind = options.get("type", name)
        if not isinstance(kind, str):
            raise ConfigError(f"{where}: plugins.{name}.type is {shown_value(kind)}; it must be the name of a plugin")
        rest = {key: value for key, value in options.items() if key != "type"}
        plugins.append(PluginTable(name, kind, rest, shown))
    digest = hashlib.sha256(json.dumps(written, sort_keys=True, default=str).encode()).hexdigest()
    return LineConfig(
        path.resolve(),
        where,
        document.line,
        document.decision,
        tuple(plugins),
        document.journal,
        document.alarms,
        digest,
        Secrets.between(written, table),
    )
