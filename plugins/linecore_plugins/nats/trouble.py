"""What a NATS server, or the network before it, has answered: one sentence for a person."""

from __future__ import annotations

import nats.errors
from nats.js.errors import APIError

JETSTREAM_IS_OFF = (10039, 10076)  # error codes of an account, or a server, without JetStream


def sentence(error: BaseException) -> str:
    """Say what went wrong."""
    if isinstance(error, APIError):
        if error.err_code in JETSTREAM_IS_OFF:
            return "the server has no JetStream; start it with -js"
        return error.description or f"error {error.code}"
    if isinstance(error, nats.errors.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).removeprefix("nats: ") or type(error).__name__
