"""How to reach a broker and what to show it: the options that say where it is, and who asks."""

from __future__ import annotations

import re
import ssl
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from linecore_plugins.access import AccessOptions, refuse_exposure, require_files, tls_context
from linecore_plugins.zmq.address import is_local

PORTS = {"mqtt": 1883, "mqtts": 8883}
HANDSHAKE_S = 5.0
_URL = re.compile(r"(mqtts?)://(\[[0-9a-fA-F:.]+\]|[^\s,/@:\[\]?#]+)(:\d{1,5})?/?")


class BrokerOptions(AccessOptions):
    """Where the broker is, and who asks."""

    SECURE = "mqtts"

    url: str = Field(
        "mqtt://127.0.0.1:1883",
        repr=False,
        description="address of the broker: mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS",
    )
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

    @property
    def host(self) -> str:
        """The computer to connect to."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return _port(self.url)


def check_access(options: BrokerOptions, key: str) -> None:
    """Refuse what would send verdicts and passwords in the clear, and files that are not there.

    Raises:
        ConfigError: one sentence that begins with *key*.
    """
    host = f"[{options.host}]" if ":" in options.host else options.host
    local = is_local(f"tcp://{host}:{options.port}")
    refuse_exposure(options, options.url, key, local=local)
    require_files(options.tls_files, key)


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


def broker_context(options: BrokerOptions, key: str) -> ssl.SSLContext:
    """Return what a TLS connection to the broker needs.

    Raises:
        ConfigError: a TLS file cannot be used.
    """
    context = tls_context(options, key)
    context.sslsocket_class = _Socket
    return context


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or PORTS[urlsplit(url).scheme]
    except (ValueError, KeyError):
        return 0
