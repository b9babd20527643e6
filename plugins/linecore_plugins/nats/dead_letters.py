"""Messages that no worker can do anything with: kept on a stream of their own, with the reason, for a person."""

from __future__ import annotations

from nats.aio.client import Client

from linecore_plugins.nats.deliveries import Delivery
from linecore_plugins.nats.message import MESSAGE_ID
from linecore_plugins.nats.streams import StreamOptions, WantedStream

REASON = "Linecore-Reason"
DELIVERIES = "Linecore-Deliveries"
ROOM = 256  # bytes that the message has besides its headers and payload, with some to spare


def dead_letter_stream(stream: str, subject: str, options: StreamOptions) -> WantedStream:
    """Return the stream beside *stream* that keeps its dead letters."""
    return WantedStream(f"{stream}_DEAD", f"{subject}-dead", options)


async def bury(client: Client, stream: WantedStream, delivery: Delivery, reason: str) -> None:
    """Keep a copy of a message; the picture of one that leaves no room for the reason is cut short.

    Raises:
        nats.errors.Error: the server has not stored it.
    """
    message = delivery.message
    # What begins with Nats- was meant for the server, and for the stream that the message came from.
    headers = {
        **{name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")},
        MESSAGE_ID: f"{message.metadata.stream}:{delivery.sequence}",
        REASON: reason.encode("ascii", "backslashreplace").decode()[:1000],
        DELIVERIES: str(delivery.number),
    }
    room = client.max_payload - ROOM - sum(len(name) + len(value) + 4 for name, value in headers.items())
    tail = message.subject.rpartition(".")[2]
    await client.jetstream().publish(f"{stream.subject}.{tail}", message.data[: max(0, room)], headers=headers)
