"""Streams and the consumer on the server: made where they are missing, refused where they would lose frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError, ServerError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from linecore.errors import ConfigError
from linecore_plugins.nats.trouble import JETSTREAM_IS_OFF, sentence

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Subject = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=128)]
MEGABYTE = 1024 * 1024
NAME_IN_USE = 10058  # the server's error code for a stream of that name with other settings


class StreamOptions(BaseModel):
    """A stream, and what it is made like where it is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    create_stream: bool = Field(True, description="make the stream where it is missing")
    stream_mb: float = Field(1024, gt=0, le=100_000_000, description="megabytes that a stream made here may hold")
    replicas: int = Field(1, ge=1, le=5, description="servers of a cluster that keep a copy of a stream made here")
    duplicate_window_s: float = Field(
        600, gt=0, le=86_400, description="seconds in which a stream made here knows what it has been sent before"
    )


@dataclass(frozen=True, slots=True)
class WantedStream:
    """A stream as it is needed."""

    name: str
    subject: str  # everything below it: `subject.>`
    options: StreamOptions
    work_queue: bool = False  # each message to one worker, and gone once it has been acknowledged
    max_age_s: float = 0.0  # 0: for ever

    def config(self) -> StreamConfig:
        """Return the stream as it is made where it is missing."""
        window = self.options.duplicate_window_s
        return StreamConfig(
            name=self.name,
            subjects=[f"{self.subject}.>"],
            retention=RetentionPolicy.WORK_QUEUE if self.work_queue else RetentionPolicy.LIMITS,
            # A full work queue refuses, and the frame waits where it comes from; anything else would lose the oldest.
            discard=DiscardPolicy.NEW if self.work_queue else DiscardPolicy.OLD,
            max_bytes=int(self.options.stream_mb * MEGABYTE),
            max_age=self.max_age_s,
            storage=StorageType.FILE,
            num_replicas=self.options.replicas,
            duplicate_window=min(window, self.max_age_s) if self.max_age_s else window,
        )


async def ensure_stream(js: JetStreamContext, wanted: WantedStream, key: str) -> None:
    """Find or make a stream.

    Raises:
        ConfigError: it is missing and not to be made, cannot be made, or would lose frames.
        nats.errors.Error: the server does not answer, or not now.
    """
    said = f"{key}.stream is '{wanted.name}'"
    try:
        found = (await js.stream_info(wanted.name)).config
    except NotFoundError:
        if not wanted.options.create_stream:
            raise ConfigError(f"{said}, which the server does not have; set create_stream = true, or make it") from None
        try:
            await js.add_stream(wanted.config())
        except (BadRequestError, ServerError) as error:
            if error.err_code == NAME_IN_USE:
                raise  # another machine was faster; the next attempt finds what it has made
            raise ConfigError(
                f"{said}, which cannot be made: {sentence(error)}; name other subjects, or a smaller stream_mb"
            ) from None
        return
    except APIError as error:
        # No server at all answers for JetStream where none has it; one that has it may answer later.
        silent = error.err_code is None and not js._nc._server_info.get("jetstream")
        if silent or error.err_code in JETSTREAM_IS_OFF:
            raise ConfigError(f"{key}.url: the server has no JetStream; start it with -js") from None
        raise
    if f"{wanted.subject}.>" not in (found.subjects or ()):
        subjects = ", ".join(found.subjects or ())
        raise ConfigError(f"{said}, which holds the subjects {subjects}; it must hold {wanted.subject}.>")
    if wanted.work_queue and found.retention != RetentionPolicy.WORK_QUEUE:
        raise ConfigError(f"{said}, whose retention is {found.retention}; it must be workqueue")
    if wanted.work_queue and found.discard != DiscardPolicy.NEW:
        raise ConfigError(f"{said}, which lets its oldest frames go when it is full; its discard policy must be new")


async def ensure_consumer(
    js: JetStreamContext, stream: str, name: str, *, ack_wait_s: float, max_ack_pending: int, key: str
) -> None:
    """Find, make or adjust the durable consumer that all workers share.

    Raises:
        ConfigError: there is another one on the stream, or this one is of another kind.
        nats.errors.Error: the server does not answer, or not now.
    """
    config = ConsumerConfig(
        durable_name=name,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait_s,
        max_ack_pending=max_ack_pending,
        max_deliver=-1,  # beyond a limit the server would stop delivering without a word; the worker counts instead
    )
    try:
        await js.add_consumer(stream, config)
    except (BadRequestError, ServerError) as error:
        raise ConfigError(
            f"{key}.consumer is '{name}', which the stream '{stream}' cannot have: {sentence(error)}; "
            "all workers of a stream name the same consumer"
        ) from None
