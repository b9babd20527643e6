"""A sender of its own: pushes real frames to a line over ZeroMQ until SIGTERM, then waits for the last answers.

``python -m tests.torture.push ADDRESS LOG RATE`` adds a line to LOG for each frame that it begins to send and for each
answer. A frame is due at a fixed time and says so (``captured_at``), however long the line lets it wait.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag

import click

from linecore.clock import time_of
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.wire import FrameMessage
from tests.torture.bystanders import Log
from tests.torture.steel import Steel, frame_name

PATIENCE_S = 86_400.0


def messages(steel: Steel, log: Log, first: int, rate: float, stopping: Flag) -> Iterator[FrameMessage]:
    """Yield frames from number *first* on that fall due *rate* a second, until *stopping* is set."""
    began, number = time.time(), first
    while not stopping.is_set():
        log.add(f"sent {number}\n")
        due = time_of(began + (number - first) / rate)
        yield FrameMessage.of_file(frame_name(number), steel[number], captured_at=due)
        number += 1


@click.command()
@click.argument("address")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("rate", type=float)
@click.option("--window", default=16, help="Frames on their way at once.")
@click.option("--first", default=0, help="The number of the first frame.")
def push(address: str, path: Path, rate: float, window: int, first: int) -> None:
    """Send until SIGTERM."""
    stopping = Flag()
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    log, steel = Log(path), Steel()
    with ZmqSender(address, window=window, resend_s=0.5, timeout_s=PATIENCE_S) as sender:
        for answer in sender.send_all(messages(steel, log, first, rate, stopping), interval_s=1 / rate):
            log.add(f"{answer.status} {answer.id}\n")
    log.close()


if __name__ == "__main__":
    push()
