"""How to reach a broker and what to show it: the options that say where it is, and who asks."""

from __future__ import annotations

import re
import ssl
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from linecore.config import LinePath
from linecore.errors import ConfigError
from linecore_plugins.zmq.address import is_local

PORTS = {"mqtt": 1883, "mqtts": 8883}
HANDSHAKE_S = 5.0
_URL = re.compile(r"(mqtts?)://(\[[0-9a-fA-F:.]+\]|[^\s,/@:\[\]?#]+)(:\d{1,5})?/?")


class BrokerOptions(BaseModel):
    """Where the broker is, and who asks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    url: str = Field(
        "mqtt://127.0.0.1:1883",
        repr=False,
        description="address of the broker: mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS",
    )
    allow_plaintext: bool = Field(
        False,
        description="reach another computer without TLS; whoever is on the network reads and changes what is said",
    )
    user: str | None = Field(None, min_length=1, description="name to log in with")
    password: str | None = Field(None, repr=False, description="password of `user`; take it from ${NAME}")
    tls_ca: LinePath | None = Field(None, description="PEM file of who signed the broker; unset: the system's list")
    tls_certificate: LinePath | None = Field(None, description="PEM file that shows the broker who asks")
    tls_key: LinePath | None = Field(None, description="PEM file of that certificate's key")
    client_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="what the broker tells us by; unset: linecore-LINE-TABLE; no two programs may share one",
    )
    keepalive_s: int = Field(
        30, ge=2, le=3600, description="seconds without a word after which either side looks for the other"
    )
    timeout_s: float = Field(
        5, gt=0, le=600, description="seconds that the broker has for an answer, and for all messages of one batch"
    )
    retry_s: float = Field(0.5, gt=0, description="seconds until a lost broker is tried again; doubled each time")
    retry_max_s: float = Field(30, gt=0, description="seconds between two attempts at most")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not _URL.fullmatch(url) or not 0 < _port(url) <= 65_535:
            raise ValueError("it must look like mqtt://127.0.0.1:1883 or mqtts://HOST:8883, without a password")
        return url

    @field_validator("client_id")
    @classmethod
    def _is_printable(cls, client_id: str | None) -> str | None:
        if client_id is not None and not client_id.isprintable():
            raise ValueError("it must be printable")
        return client_id

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together; set both")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; set both")
        if self.tls_files and not self.uses_tls:
            raise ValueError("tls_ca, tls_certificate and tls_key need an address that begins with mqtts://")
        return self

    @property
    def uses_tls(self) -> bool:
        """True where the broker is asked for TLS."""
        return self.url.startswith("mqtts://")

    @property
    def host(self) -> str:
        """The computer to connect to."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return _port(self.url)

    @property
    def tls_files(self) -> dict[str, LinePath]:
        """The TLS files that are named, by key."""
        named = {"tls_ca": self.tls_ca, "tls_certificate": self.tls_certificate, "tls_key": self.tls_key}
        return {key: path for key, path in named.items() if path is not None}


def check_access(options: BrokerOptions, key: str) -> None:
    """Refuse what would send verdicts and passwords in the clear, and files that are not there.

    Raises:
        ConfigError: one sentence that begins with *key*.
    """
    host = f"[{options.host}]" if ":" in options.host else options.host
    if not (options.uses_tls or options.allow_plaintext or is_local(f"tcp://{host}:{options.port}")):
        raise ConfigError(
            f"{key}.url is '{options.url}', another computer without TLS; use mqtts://, or set allow_plaintext = true"
        )
    for name, path in options.tls_files.items():
        if not path.is_file():
            raise ConfigError(f"{key}.{name} is '{path}', which does not exist; name a file")


class _Socket(ssl.SSLSocket):
    """A socket that is closed where TLS fails: the client would forget it open."""

    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(HANDSHAKE_S)  # the client would wait for as long as it keeps a silent connection
        try:
            super().do_handshake(block)
        except BaseException as error:
            self.close()
            if isinstance(error, ConnectionError):
                raise ConnectionError("it ends the connection where TLS begins; perhaps it offers none") from None
            raise


def tls_context(options: BrokerOptions, key: str) -> ssl.SSLContext:
    """Return what a TLS connection needs.

    Raises:
        ConfigError: a TLS file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
        context.sslsocket_class = _Socket
        if options.tls_certificate is not None:
            # A key that asks for its password would wait at a terminal that is not there.
            context.load_cert_chain(options.tls_certificate, options.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(options.tls_files)
        raise ConfigError(f"{key}: {named} cannot be used ({error.strerror or error}); name PEM files") from None
    return context


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or PORTS[urlsplit(url).scheme]
    except (ValueError, KeyError):
        return 0
