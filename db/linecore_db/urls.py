"""A database's address, as a person writes it -> a URL that can be opened; passwords stay out of every sentence."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from linecore.config import LinePath, load_config
from linecore.errors import ConfigError
from linecore.validation import did_you_mean, shown_value, validate

# What a URL may begin with, and the driver that it is opened with. PyMySQL speaks to MariaDB under either name.
DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mariadb": "mysql+pymysql",
    "mysql": "mysql+pymysql",
}
EXTRAS = {"psycopg": "postgres", "pymysql": "mariadb"}
_SEVERAL_HOSTS = re.compile(
    r"(?P<scheme>postgres(?:ql)?(?:\+\w+)?://)(?P<account>[^@/?]*@)?(?P<hosts>[^@/?,]+(?:,[^@/?,]+)+)"
    r"(?P<path>/[^?]*)(?:\?(?P<query>.*))?"
)
WISH = "it must be like sqlite:///history.db, postgresql://user:password@host/database or mariadb://user:password@host/database"


def parse_url(text: str, folder: Path | None = None) -> URL:
    """Return the URL of a database; the file of SQLite is taken relative to *folder*, or to where the program runs.

    Raises:
        ValueError: what the URL must be instead, without the URL itself.
    """
    try:
        url = make_url(_one_host_each(text.strip()))
    except (ArgumentError, ValueError):
        raise ValueError(WISH) from None
    scheme, _, wanted = url.drivername.partition("+")
    if scheme not in DRIVERS:
        raise ValueError(WISH + did_you_mean(scheme, list(DRIVERS)))
    drivername = DRIVERS[scheme]
    driver = drivername.partition("+")[2]
    if wanted and wanted != driver:
        raise ValueError(f"it must begin with {scheme}:// or {scheme}+{driver}://, since linecore uses {driver}")
    if driver in EXTRAS and importlib.util.find_spec(driver) is None:
        raise ValueError(f"it needs {driver}: pip install 'linecore[{EXTRAS[driver]}]'")
    url = url.set(drivername=drivername)
    return _file_url(url, folder or Path.cwd()) if scheme == "sqlite" else _server_url(url)


def _one_host_each(text: str) -> str:
    """Write ``postgresql://u@a:5432,b/db``, as libpq knows it, in the way that SQLAlchemy does: ``u@/db?host=...``."""
    several = _SEVERAL_HOSTS.fullmatch(text)
    if several is None:
        return text
    scheme, account, hosts, path, query = several.group("scheme", "account", "hosts", "path", "query")
    more = "&".join(f"host={quote(host)}" for host in hosts.split(","))
    return f"{scheme}{account or ''}{path}?{query + '&' if query else ''}{more}"


def _file_url(url: URL, folder: Path) -> URL:
    if url.host:
        raise ValueError("it must have three slashes before the file: sqlite:///history.db")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("it must name a file: sqlite:///history.db")
    return url.set(database=str(folder / Path(url.database).expanduser()))


def _server_url(url: URL) -> URL:
    if "@" in (url.host or ""):
        raise ValueError("its password holds an '@'; write %40 for it")
    if not url.database:
        raise ValueError("it must end in the name of a database: ...@host/database")
    return url


def shown(url: URL) -> str:
    """Return the address for a sentence: as a person writes it, without the driver and without secrets."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    scheme = {"mysql": "mariadb"}.get(url.get_backend_name(), url.get_backend_name())
    secrets = {key: "***" for key in url.query if re.search("pass|pwd|secret|token|key", key, re.IGNORECASE)}
    url = url.set(drivername=scheme).update_query_dict(secrets)
    hosts = url.query.get("host")
    if not isinstance(hosts, tuple):
        return url.render_as_string(hide_password=True)
    plain = url.difference_update_query(["host"]).set(host="several.hosts").render_as_string(hide_password=True)
    return plain.replace("several.hosts", ",".join(hosts), 1)


def _from_config(value: object, info: ValidationInfo) -> URL:
    if isinstance(value, URL):
        return value
    if not isinstance(value, str):
        raise ValueError(WISH)
    folder = (info.context or {}).get("folder")
    return parse_url(value, None if folder is None else Path(folder))


DatabaseUrl = Annotated[
    URL,
    PlainValidator(_from_config),
    PlainSerializer(shown),
    WithJsonSchema({"type": "string", "format": "uri"}),
]
"""The URL of a database in a plugin's ``Config``; a relative SQLite file counts from the folder of line.toml."""


class _DatabaseTable(BaseModel):
    """What the commands need of a table ``[plugins.database]``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: DatabaseUrl = Field(description="the URL of the database")


def chosen_url(url: str | None, config: Path | None, folder: Path) -> URL:
    """Return the database that is meant: *url*, or that of a line's file, or that of ``line.toml`` in *folder*.

    Raises:
        ConfigError: none is named, or what is named is wrong.
    """
    if url is not None:
        if config is not None:
            raise ConfigError("--db and --config name two databases; give one of them")
        try:
            return parse_url(url, folder)
        except ValueError as error:
            raise ConfigError(f"the database is {shown_value(url)}; {error}") from None
    if config is None:
        config = folder / "line.toml"
        if not config.exists():
            raise ConfigError("no database is named and there is no line.toml here; give --db URL or --config FILE")
    line = load_config(config)
    tables = [table for table in line.plugins if table.type == "database"]
    if len(tables) != 1:
        found = f"{len(tables)} plugins" if tables else "no plugin"
        raise ConfigError(f"{config} has {found} of the type database; name the database with --db URL")
    (table,) = tables
    where, key = line.path.name, f"plugins.{table.name}"
    return validate(_DatabaseTable, table.options, where=where, key=key, shown=table.shown, folder=line.folder).url


class _FilesTable(BaseModel):
    """What the commands need of a table ``[plugins.files]``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: LinePath = Field(description="the folder of the evidence")


def evidence_folders(config: Path | None, folder: Path) -> list[Path]:
    """Return the folders in which a line's file, or ``line.toml`` in *folder*, keeps evidence; none without a file.

    Raises:
        ConfigError: the file is wrong.
    """
    config = config or folder / "line.toml"
    if not config.exists():
        return []
    line = load_config(config)
    return [
        validate(
            _FilesTable,
            table.options,
            where=line.path.name,
            key=f"plugins.{table.name}",
            shown=table.shown,
            folder=line.folder,
        ).path
        for table in line.plugins
        if table.type == "files"
    ]
