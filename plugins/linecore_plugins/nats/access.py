"""How to reach a NATS server and what to show it: the options that every NATS plugin has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from linecore.config import LinePath
from linecore.errors import ConfigError
from linecore_plugins.access import AccessOptions, refuse_exposure, require_files, tls_context
from linecore_plugins.zmq.address import is_local

_WISH = "it must look like nats://127.0.0.1:4222 or tls://HOST:4222, several separated by commas"
_CREDENTIALS = re.compile(
    r"-BEGIN NATS USER JWT-+\s+\S+\s+-+END NATS USER JWT-.*-BEGIN USER NKEY SEED-+\s+SU\S+\s+-+END USER NKEY SEED-",
    re.DOTALL,
)
_URL = re.compile(r"(nats|tls)://([^\s,/@]*@)?(\[[0-9a-fA-F:.]+\]|[^\s,/@:\[\]]+)(:\d{1,5})?/?")


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """A name and its password, or a token, or nothing."""

    user: str | None = None
    password: str | None = None
    token: str | None = None


class ServerOptions(AccessOptions):
    """Where the server is, and who asks."""

    SECURE = "tls"

    url: str = Field(
        "nats://127.0.0.1:4222",
        repr=False,
        description="address of the server: nats://HOST:PORT, or tls://HOST:PORT; several of a cluster with commas",
    )
    allow_plaintext: bool = Field(
        False, description="reach another computer without TLS; whoever is on the network reads and changes the frames"
    )
    token: str | None = Field(None, repr=False, description="token to log in with; take it from ${NAME}")
    credentials: LinePath | None = Field(None, description="a .creds file: JWT and nkey of a user")
    nkey: LinePath | None = Field(None, description="file with the seed of an nkey")
    timeout_s: float = Field(10, gt=0, le=600, description="seconds that the server has for an answer")
    retry_s: float = Field(0.5, gt=0, description="seconds until a lost server is tried again; doubled each time")
    retry_max_s: float = Field(30, gt=0, description="seconds between two attempts at most")

    @field_validator("url")
    @classmethod
    def _are_addresses(cls, url: str) -> str:
        if not all(_URL.fullmatch(one) and 0 < _port(one) <= 65_535 for one in _split(url)):
            raise ValueError(_WISH)
        return url

    @model_validator(mode="after")
    def _logs_in_one_way(self) -> Self:
        ways = [name for name in ("user", "token", "credentials", "nkey") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"it logs in by {' and '.join(ways)}; set one of them")
        return self

    @property
    def servers(self) -> list[str]:
        """The addresses, without names and passwords."""
        return [re.sub(r"//[^/@]*@", "//", one) for one in _split(self.url)]

    @property
    def address(self) -> str:
        """The addresses for a person."""
        return ",".join(self.servers)

    @property
    def login(self) -> Login:
        """What the table, or else its first address, says to log in with."""
        if self.user is not None or self.token is not None:
            return Login(self.user, self.password, self.token)
        url = urlsplit(_split(self.url)[0])
        if url.username is None:
            return Login()
        name = unquote(url.username)
        return Login(token=name) if url.password is None else Login(name, unquote(url.password))

    @property
    def uses_tls(self) -> bool:
        """True where every server is asked for TLS."""
        return all(one.startswith("tls://") for one in self.servers)


def check_access(options: ServerOptions, key: str) -> None:
    """Refuse what would send frames and passwords in the clear, and files that are not there.

    Raises:
        ConfigError: one sentence that begins with *key*.
    """
    hosts = [re.sub(r"^\w+://", "tcp://", one) for one in options.servers]
    local = all(is_local(one if re.search(r":\d+/?$", one) else f"{one}:4222") for one in hosts)
    refuse_exposure(options, options.address, key, local=local)
    logins = {"credentials": options.credentials, "nkey": options.nkey}
    require_files(options.tls_files | {name: path for name, path in logins.items() if path is not None}, key)
    # The client would look for the end of a file of another kind for ever.
    if options.credentials is not None and not _CREDENTIALS.search(options.credentials.read_text(errors="replace")):
        raise ConfigError(
            f"{key}.credentials is '{options.credentials}', which holds no JWT and nkey; name a .creds file"
        )


def connect_arguments(options: ServerOptions, key: str) -> dict[str, Any]:
    """Return the arguments of ``nats.connect`` that say where and as whom.

    Raises:
        ConfigError: a TLS file cannot be used.
    """
    arguments: dict[str, Any] = {"servers": options.servers}
    if options.uses_tls:
        arguments["tls"] = tls_context(options, key)
    if options.credentials is not None:
        arguments["user_credentials"] = str(options.credentials)
    if options.nkey is not None:
        arguments["nkeys_seed"] = str(options.nkey)
    return arguments


def _split(url: str) -> list[str]:
    return [one.strip() for one in url.split(",")]


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or 4222
    except ValueError:
        return 0
