"""A plant of several machines: one camera node and two workers, each a real process, one stream, one history."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import sqlalchemy as sa
from nats.aio.client import Client
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from linecore.config import load_config
from tests.plugins.nats.servers import ask
from tests.torture.network import Network

WORKERS = ("worker-1", "worker-2")
ROWS = sa.text("SELECT frame_id, config_hash FROM inspection")
LIMIT_S = 600.0  # nothing here takes longer, unless it hangs

EDGE = """
[line]
name = "edge"

[plugins.folder]
path = "incoming"
settle_s = 0.01

[plugins.nats_forwarder]
{nats}
"""

WORKER = """
[line]
name = "{name}"

[plugins.nats]
{nats}
ack_wait_s = 5
max_deliver = 100

[plugins.tflite]
model = "neu"

[plugins.gradcam]

[plugins.database]
url = "{database}"
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a proof has counted."""

    frames: int  # captured by the camera node
    rows: int  # in the history
    distinct: int  # ids among them
    by_worker: tuple[int, ...]  # rows that each has recorded, one that was killed or cut off first
    pending: int  # frames that no worker has had, or still holds, at the end
    dead: int  # letters
    seconds: float
    exits: tuple[int, ...]  # of the processes that were told to stop

    @property
    def holds(self) -> bool:
        """Whether no frame was lost or is there twice, and everybody ended well."""
        return self.rows == self.distinct == self.frames and not (self.pending or self.dead or any(self.exits))

    def check(self) -> None:
        """Fail where the proof does not hold."""
        assert self.holds, self


class Plant:
    """Its folders below *folder*, around the NATS server at *url*; the nodes reach *database* at *reached_at*."""

    def __init__(self, folder: Path, url: str, database: str, *, reached_at: tuple[str, int] | None = None) -> None:
        self.folder = folder
        self._url = url
        self._engine = sa.create_engine(database, poolclass=NullPool)
        nats = f'url = "{url}"\nallow_plaintext = true\nretry_max_s = 1\ntimeout_s = 5'
        reached = make_url(database)
        if reached_at is not None:
            reached = reached.set(host=reached_at[0], port=reached_at[1])
        shown = reached.render_as_string(hide_password=False)
        self._write("edge", EDGE.format(nats=nats))
        (folder / "edge" / "incoming").mkdir()
        for name in WORKERS:
            self._write(name, WORKER.format(name=name, nats=nats, database=shown))

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).mkdir()
        (self.folder / name / "line.toml").write_text(text)

    def serve(self, name: str, on: Network | None = None) -> subprocess.Popen[bytes]:
        """Start a node's process."""
        command = [sys.executable, "-m", "linecore", "serve", str(self.folder / name / "line.toml")]
        log = (self.folder / name / "log").open("ab")
        with log:
            return subprocess.Popen(on.on(name, command) if on else command, stdout=log, stderr=log)

    def wait_until_serving(self) -> None:
        """Wait until every node takes frames."""
        deadline = time.monotonic() + LIMIT_S
        for name in (*WORKERS, "edge"):
            while "serving from" not in (self.folder / name / "log").read_text():
                assert time.monotonic() < deadline, f"{name} does not serve\n{self.logs()}"
                time.sleep(0.05)

    def capture(self, images: Sequence[Path], frames: int, rate: float) -> threading.Thread:
        """Put *frames* pictures before the camera node, *rate* a second (0: as fast as it goes), from a thread."""

        def lay() -> None:
            began = time.monotonic()
            for number, image in enumerate(islice(cycle(images), frames)):
                if rate:
                    time.sleep(max(0.0, began + number / rate - time.monotonic()))
                hidden = self.folder / "edge" / f"{number:06d}.part"
                hidden.write_bytes(image.read_bytes())
                hidden.rename(self.folder / "edge" / "incoming" / f"{number:06d}.jpg")

        thread = threading.Thread(target=lay, name="camera")
        thread.start()
        return thread

    def rows(self) -> list[tuple[str, str]]:
        """Return the frame and the configuration of each row."""
        try:
            with self._engine.connect() as connection:
                found = connection.execute(ROWS)
                return [(str(frame), str(config)) for frame, config in found]
        except sa.exc.DBAPIError:  # no worker has made the tables yet
            return []

    def wait_for(self, rows: int) -> None:
        """Wait until the history holds so many rows."""
        deadline = time.monotonic() + LIMIT_S
        while (found := len(self.rows())) < rows:
            assert time.monotonic() < deadline, f"{found} of {rows} rows after {LIMIT_S:g} s\n{self.logs()}"
            time.sleep(0.1)

    def pending(self) -> int:
        """Return how many frames no worker has had, or still holds.

        Not how many the stream holds: a server that was killed may keep a message though it knows that it is done.
        """

        async def look(client: Client) -> int:
            consumer = await client.jetstream().consumer_info("LINECORE_FRAMES", "linecore")
            return int(consumer.num_pending or 0) + int(consumer.num_ack_pending or 0)

        return ask(self._url, look)

    def dead(self) -> int:
        """Return how many dead letters there are."""

        async def look(client: Client) -> int:
            return int((await client.jetstream().stream_info("LINECORE_FRAMES_DEAD")).state.messages)

        return ask(self._url, look)

    def wait_until_done(self) -> None:
        """Wait until no frame is pending."""
        deadline = time.monotonic() + LIMIT_S
        while pending := self.pending():
            assert time.monotonic() < deadline, f"{pending} frames are pending after {LIMIT_S:g} s\n{self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        """Return what the processes have printed."""
        return "\n".join(f"{path.parent.name}: {path.read_text()[-2000:]}" for path in self.folder.glob("*/log"))

    def counts(self, frames: int, seconds: float, exits: tuple[int, ...]) -> Counts:
        """Count what there is at the end."""
        rows = self.rows()
        by_config = Counter(config for _, config in rows)
        return Counts(
            frames,
            len(rows),
            len({frame for frame, _ in rows}),
            tuple(by_config[self._hash(name)] for name in WORKERS),
            self.pending(),
            self.dead(),
            round(seconds, 1),
            exits,
        )

    def _hash(self, name: str) -> str:
        return load_config(self.folder / name / "line.toml").hash


@contextmanager
def ended(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> tuple[int, ...]:
    """Tell processes to stop, and return their exit codes."""
    for process in processes:
        process.terminate()
    return tuple(process.wait(60) for process in processes)
