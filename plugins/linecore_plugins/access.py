"""How a plugin reaches a server over a network: the options that say where it is, and who asks."""

from __future__ import annotations

import ssl
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from linecore.config import LinePath
from linecore.errors import ConfigError


class AccessOptions(BaseModel):
    """Where a server is, and who asks. A protocol's own class says what its addresses look like."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    SECURE: ClassVar[str]
    """The scheme of an address with TLS."""

    url: str = Field(repr=False, description="address of the server")
    allow_plaintext: bool = Field(
        False,
        description="reach another computer without TLS; whoever is on the network reads and changes what is said",
    )
    user: str | None = Field(None, min_length=1, description="name to log in with")
    password: str | None = Field(None, repr=False, description="password of `user`; take it from ${NAME}")
    tls_ca: LinePath | None = Field(None, description="PEM file of who signed the server; unset: the system's list")
    tls_certificate: LinePath | None = Field(None, description="PEM file that shows the server who asks")
    tls_key: LinePath | None = Field(None, description="PEM file of that certificate's key")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together; set both")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; set both")
        if self.tls_files and not self.uses_tls:
            raise ValueError(f"tls_ca, tls_certificate and tls_key need an address that begins with {self.SECURE}://")
        return self

    @property
    def uses_tls(self) -> bool:
        """True where the server is asked for TLS."""
        return self.url.startswith(f"{self.SECURE}://")

    @property
    def tls_files(self) -> dict[str, LinePath]:
        """The TLS files that are named, by key."""
        named = {"tls_ca": self.tls_ca, "tls_certificate": self.tls_certificate, "tls_key": self.tls_key}
        return {key: path for key, path in named.items() if path is not None}


def refuse_exposure(options: AccessOptions, address: str, key: str, *, local: bool) -> None:
    """Refuse to send frames, verdicts and passwords in the clear to another computer.

    *address* is for a person; *local* says whether it stays on this computer.

    Raises:
        ConfigError: one sentence that begins with *key*.
    """
    if not (local or options.uses_tls or options.allow_plaintext):
        raise ConfigError(
            f"{key}.url is '{address}', another computer without TLS; "
            f"use {options.SECURE}://, or set allow_plaintext = true"
        )


def require_files(files: dict[str, LinePath], key: str) -> None:
    """Refuse files that are not there.

    Raises:
        ConfigError: one sentence that begins with *key*.
    """
    for name, path in files.items():
        if not path.is_file():
            raise ConfigError(f"{key}.{name} is '{path}', which does not exist; name a file")


def tls_context(options: AccessOptions, key: str) -> ssl.SSLContext:
    """Return what a TLS connection needs.

    Raises:
        ConfigError: a TLS file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
        if options.tls_certificate is not None:
            # A key that asks for its password would wait at a terminal that is not there.
            context.load_cert_chain(options.tls_certificate, options.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(options.tls_files)
        raise ConfigError(f"{key}: {named} cannot be used ({error.strerror or error}); name PEM files") from None
    return context
