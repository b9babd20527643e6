"""A server that sinks deliver to is away for a while, under load: no verdict waits for it, and it misses nothing."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from tests.db.private_postgresql import private_postgresql
from tests.plugins.mqtt.brokers import PrivateBroker, Subscriber, keeping, private_broker, subscribed
from tests.torture.feeds import ZmqFeed
from tests.torture.http_receiver import HttpReceiver
from tests.torture.nats_server import NatsServer
from tests.torture.notes import verdicts
from tests.torture.patience import becomes_true, stands_still
from tests.torture.recorded import open_history
from tests.torture.scenario import Progress, silent
from tests.torture.served import BYSTANDERS, ServedLine
from tests.torture.steel import frame_number

EVENTS = "LINECORE_EVENTS"  # the stream that a publisher makes
RATE = 20.0  # frames a second
DEADLINE_MS = 500
STILL_S = 45.0  # a lane's longest pause between two tries is 30 s

LINE = """
[line]
name = "tortured"
workers = 1

[decision]
pass_labels = ["ok"]
deadline_ms = {deadline}

{source}
[plugins.tflite]
model = "neu"
variant = "int8"

[plugins.gradcam]

{sink}
[plugins.witness]
type = "{bystanders}:Witness"
path = "witness.txt"
"""


class Target(Protocol):
    """A server that a sink delivers to."""

    table: str  # the sink's table in line.toml

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Stop it."""

    def count(self) -> int:
        """Return how many inspections it holds by now."""

    def received(self) -> Sequence[tuple[int, bool]]:
        """Return what it holds, in the order in which it came: the number of the frame, and whether it is marked."""


@dataclass(frozen=True, slots=True)
class OutageCounts:
    """What a line went through while a server was away."""

    of: str  # the server
    away_s: float
    frames: int
    verdicts_meanwhile: int
    expected_meanwhile: int
    late: int  # verdicts later than the deadline after their capture, in the whole run
    worst_ms: float  # from capture to verdict, while the server was away
    lost: int
    twice: int
    disordered: int  # deliveries before which a later frame came
    marked_late: int  # deliveries that say that they were buffered
    back_s: float  # from the server's return until it had everything

    @property
    def holds(self) -> bool:
        """No verdict late, nothing lost, nothing twice, order kept, what was buffered is marked."""
        kept_pace = self.verdicts_meanwhile >= 0.95 * self.expected_meanwhile
        return kept_pace and not (self.late or self.lost or self.twice or self.disordered) and self.marked_late > 0


class _Postgres:
    def __init__(self, url: str, folder: Path, start: Callable[[], None], stop: Callable[[], None]) -> None:
        self.table = f'[plugins.database]\nurl = "{url}"\n'
        self._url, self._folder = url, folder
        self.start, self.stop = start, stop

    def count(self) -> int:
        with open_history(self._url, self._folder) as history:
            return history.count()

    def received(self) -> Sequence[tuple[int, bool]]:
        with open_history(self._url, self._folder) as history:
            return history.deliveries()


class _Http:
    def __init__(self, receiver: HttpReceiver) -> None:
        self.table = f'[plugins.webhook]\nurl = "{receiver.url}"\ninspections = "all"\n'
        self._receiver = receiver
        self.start, self.stop = receiver.start, receiver.stop

    def count(self) -> int:
        return len(self._receiver.received())

    def received(self) -> Sequence[tuple[int, bool]]:
        return [(one.number, one.buffered) for one in self._receiver.received()]


class _Nats:
    def __init__(self, server: NatsServer) -> None:
        self.table = f'[plugins.nats_publisher]\nurl = "{server.url}"\nalarms = false\nlog = false\n'
        self._server = server
        self.start, self.stop = server.start, server.stop

    def count(self) -> int:
        return self._server.messages(EVENTS)

    def received(self) -> Sequence[tuple[int, bool]]:
        bodies = self._server.bodies(EVENTS)
        return [(frame_number(one["frame_id"]), bool(one.get("buffered"))) for one in bodies]


class _Mqtt:
    def __init__(self, broker: PrivateBroker, heard: Subscriber) -> None:
        self.table = f'[plugins.mqtt]\nurl = "{broker.url}"\nsite = "plant"\narea = "rolling"\nalarms = false\n'
        self._broker, self._heard = broker, heard
        self.start = broker.start

    def stop(self) -> None:
        self._broker.stop(signal.SIGTERM)

    def count(self) -> int:
        return len(self._heard.payloads("/inspection"))

    def received(self) -> Sequence[tuple[int, bool]]:
        bodies = map(json.loads, self._heard.payloads("/inspection"))
        return [(frame_number(one["frame_id"]), bool(one["buffered"])) for one in bodies]


@contextmanager
def postgres_target(folder: Path) -> Iterator[Target]:
    """Give a history in a PostgreSQL of our own."""
    with private_postgresql() as server:
        yield _Postgres(server.url, folder, server.start, server.stop)


@contextmanager
def http_target(folder: Path) -> Iterator[Target]:
    """Give a receiver of webhooks."""
    receiver = HttpReceiver(folder)
    receiver.start()
    try:
        yield _Http(receiver)
    finally:
        receiver.stop()


@contextmanager
def nats_target(folder: Path) -> Iterator[Target]:
    """Give a JetStream that inspections are published to."""
    server = NatsServer(folder)
    server.start()
    try:
        yield _Nats(server)
    finally:
        server.stop()


@contextmanager
def mqtt_target(folder: Path) -> Iterator[Target]:
    """Give a broker, and a subscriber that it keeps messages for while one of the two is away."""
    store = folder / "mosquitto"
    store.mkdir()
    with (
        private_broker(folder, keeping(store)) as broker,
        subscribed(broker.url, "linecore/v1/#", durable=True) as heard,
    ):
        yield _Mqtt(broker, heard)


TARGETS: dict[str, Callable[[Path], AbstractContextManager[Target]]] = {
    "postgresql": postgres_target,
    "http": http_target,
    "nats": nats_target,
    "mqtt": mqtt_target,
}


def outage(of: str, away_s: float, *, around_s: float = 10.0, progress: Progress = silent) -> OutageCounts:
    """Take the server *of* away for *away_s* seconds; the load begins *around_s* before and ends as much after."""
    with tempfile.TemporaryDirectory(prefix="torture-outage-") as name:
        folder = Path(name)
        feed = ZmqFeed(folder, RATE)
        with TARGETS[of](folder) as target:
            path = folder / "line.toml"
            path.write_text(
                LINE.format(deadline=DEADLINE_MS, source=feed.table, sink=target.table, bystanders=BYSTANDERS)
            )
            with ServedLine(path) as line:
                try:
                    line.start()
                    feed.start()
                    return _take_away(line, feed, target, of, away_s, around_s, progress)
                finally:
                    feed.end()


def _take_away(
    line: ServedLine, feed: ZmqFeed, target: Target, of: str, away_s: float, around_s: float, progress: Progress
) -> OutageCounts:
    witness = line.folder / "witness.txt"
    assert becomes_true(witness.exists, 30), f"no verdict: {line.last_words()}"
    progress(0, 4, f"{of}: before")
    _let_go_by(around_s)
    target.stop()
    left = time.time()
    progress(1, 4, f"{of}: away")
    _let_go_by(away_s)
    back = time.time()
    target.start()
    progress(2, 4, f"{of}: back")
    _let_go_by(around_s)
    feed.stop()
    feed.end()
    progress(3, 4, f"{of}: catching up")
    frames = feed.added()
    stands_still(target.count, frames, STILL_S, 300)
    caught_up = time.time()
    line.end()
    received = target.received()
    numbers = [number for number, _ in received]
    reached = verdicts(witness)
    meanwhile = [one for one in reached if left <= one.at < back]
    return OutageCounts(
        of=of,
        away_s=away_s,
        frames=frames,
        verdicts_meanwhile=len(meanwhile),
        expected_meanwhile=int(RATE * (back - left)),
        late=sum(one.at - one.captured_at > DEADLINE_MS / 1000 for one in reached),
        worst_ms=max((1000 * (one.at - one.captured_at) for one in meanwhile), default=0.0),
        lost=len(set(range(frames)).difference(numbers)),
        twice=len(numbers) - len(set(numbers)),
        disordered=sum(after < before for before, after in pairwise(numbers)),
        marked_late=sum(marked for _, marked in received),
        back_s=caught_up - back,
    )


def _let_go_by(seconds: float) -> None:
    """Let time go by while something is away: the duration is what is tried."""
    time.sleep(seconds)


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], OutageCounts]]:
    """Take each server away for a minute, or for three seconds."""
    away_s, around_s = (3, 2) if quick else (60, 10)
    return [partial(outage, of, away_s, around_s=around_s, progress=progress) for of in TARGETS]
