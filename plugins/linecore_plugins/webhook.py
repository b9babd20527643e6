"""Notifier: alarms, and inspections where wanted, as JSON over HTTP POST."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

from linecore.alarms import Alarm
from linecore.errors import ConnectionFailedError, RefusedError
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Inspection
from linecore.messages import Json, alarm_message, inspection_message

# They log whole addresses, whose path may be the secret, and answers that repeat it.
for _chatty in ("httpx", "httpcore"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)

UNTAKEABLE = (400, 413, 415, 422)
"""Answers that are about the message itself: bad, too large, of the wrong type, not to be processed (RFC 9110)."""


class WebhookNotifier:
    """Posts alarms, and inspections where wanted, to an HTTP address."""

    pixels = False

    class Config(BaseModel):
        """Options of ``[plugins.webhook]``."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        url: str = Field(repr=False, description="address that the messages are posted to, http:// or https://")
        token: str | None = Field(
            None, repr=False, description="sent as `Authorization: Bearer ...`; take it from ${NAME}"
        )
        headers: Mapping[str, str] = Field({}, repr=False, description="further headers")
        alarms: bool = Field(True, description="post every change of an alarm")
        inspections: Literal["none", "rejects", "all"] = Field("none", description="which inspections to post")
        timeout_s: float = Field(5.0, gt=0, description="seconds to connect, and to wait for an answer")

        @field_validator("url")
        @classmethod
        def _is_http(cls, url: str) -> str:
            wish = "it must be an address such as 'https://host/path'"
            try:
                address = httpx.URL(url)
            except httpx.InvalidURL:
                raise ValueError(wish) from None
            if address.scheme not in ("http", "https") or not address.host:
                raise ValueError(wish)
            return url

        @field_validator("token")
        @classmethod
        def _fits_a_header(cls, token: str | None) -> str | None:
            if token is not None and not (token.isascii() and token.isprintable()):
                raise ValueError("it must be printable ASCII")
            return token

        @field_validator("headers")
        @classmethod
        def _fit_headers(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
            if not all(text.isascii() and text.isprintable() for pair in headers.items() for text in pair):
                raise ValueError("names and values must be printable ASCII")
            return headers

    def __init__(self, config: Config) -> None:
        self._config = config
        for name in ("httpx", "httpcore"):  # at lower levels they log whole addresses and headers
            logging.getLogger(name).setLevel(logging.WARNING)
        authorization = {"Authorization": f"Bearer {config.token}"} if config.token else {}
        # trust_env: a proxy that the environment names would be one more party that nobody configured here.
        self._client = httpx.Client(
            timeout=config.timeout_s, headers={**config.headers, **authorization}, trust_env=False
        )

    @hookimpl
    def record(self, inspections: Sequence[Inspection]) -> None:
        """Post a batch of inspections."""
        wanted = [
            inspection_message(one)
            for one in inspections
            if self._config.inspections == "all"
            or (self._config.inspections == "rejects" and one.verdict.decision is not Decision.PASS)
        ]
        if wanted:
            self._post({"schema_version": 1, "type": "inspections", "inspections": [*wanted]})

    @hookimpl
    def notify(self, alarm: Alarm) -> None:
        """Post an alarm's change of state."""
        if self._config.alarms:
            self._post({"schema_version": 1, "type": "alarm", "alarm": alarm_message(alarm)})

    @hookimpl
    def stop(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, message: dict[str, Json]) -> None:
        """Post a message; the sentence of an error names the host alone, since paths and queries may hold secrets."""
        host = httpx.URL(self._config.url).host
        try:
            response = self._client.post(self._config.url, json=message)
        except httpx.HTTPError as error:
            raise ConnectionFailedError(f"{host} cannot be reached: {type(error).__name__}") from None
        if not response.is_success:
            # In the protocol's words: a server may put into its own what it was sent.
            phrase = httpx.codes.get_reason_phrase(response.status_code)
            said = f"{host} answered {response.status_code} {phrase}".rstrip()
            # A wrong address or a missing right can be mended; a message that it cannot take stays so.
            raise RefusedError(said) if response.status_code in UNTAKEABLE else ConnectionFailedError(said)
