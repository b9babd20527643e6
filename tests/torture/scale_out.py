"""More than one machine: camera nodes and workers that share a stream, and what cannot go wrong with it.

``python -m tests.torture scale-out`` runs the proofs at full length and prints their counts; tests run them short.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import make_url

from tests.conftest import NEU_CLASSES, ROOT
from tests.db.databases import fresh_database
from tests.plugins.nats.servers import PrivateServer, private_server
from tests.torture.network import network
from tests.torture.plant import WORKERS, Counts, Plant, ended, stop
from tests.torture.relay import relay
from tests.torture.scenario import Progress


def two_workers_one_killed(folder: Path, images: Sequence[Path], *, frames: int = 2000) -> Counts:
    """Two workers share one stream of *frames* real pictures; one is killed (SIGKILL) half way."""
    with private_server(folder) as server, fresh_database("postgresql", folder) as database:
        plant = Plant(folder, server.url, database)
        first, second, edge = [plant.serve(name) for name in (*WORKERS, "edge")]
        with ended([first, second, edge]):
            plant.wait_until_serving()
            began = time.monotonic()
            camera = plant.capture(images, frames, rate=0)
            plant.wait_for(frames // 2)
            first.kill()
            plant.wait_for(frames)
            plant.wait_until_done()
            camera.join()
            exits = stop([second, edge])
        return plant.counts(frames, time.monotonic() - began, exits)


def link_cut(
    folder: Path,
    images: Sequence[Path],
    cut: Literal["worker-1", "edge"],
    *,
    frames: int = 1000,
    rate: float = 25.0,
    seconds: float = 20.0,
) -> Counts:
    """Each node in a namespace of its own; under load the cable of one is pulled for *seconds*."""
    with network(*WORKERS, "edge") as net, fresh_database("postgresql", folder) as database:
        target = make_url(database)
        server = PrivateServer(folder, host=net.hub)
        with relay(net.hub, (target.host or "127.0.0.1", target.port or 5432)) as port:
            try:
                server.start()
                plant = Plant(folder, server.url, database, reached_at=(net.hub, port))
                nodes = [plant.serve(name, net) for name in (*WORKERS, "edge")]
                with ended(nodes):
                    plant.wait_until_serving()
                    began = time.monotonic()
                    camera = plant.capture(images, frames, rate)
                    plant.wait_for(frames // 4)
                    net.cut(cut)
                    threading.Event().wait(seconds)
                    net.mend(cut)
                    plant.wait_for(frames)
                    plant.wait_until_done()
                    camera.join()
                    exits = stop(nodes)
                return plant.counts(frames, time.monotonic() - began, exits)
            finally:
                server.stop()


def server_stopped(
    folder: Path, images: Sequence[Path], *, frames: int = 2000, rate: float = 25.0, seconds: float = 60.0
) -> Counts:
    """Under load the NATS server is killed, and started again after *seconds*."""
    with private_server(folder) as server, fresh_database("postgresql", folder) as database:
        plant = Plant(folder, server.url, database)
        nodes = [plant.serve(name) for name in (*WORKERS, "edge")]
        with ended(nodes):
            plant.wait_until_serving()
            began = time.monotonic()
            camera = plant.capture(images, frames, rate)
            plant.wait_for(frames // 10)
            server.stop()
            threading.Event().wait(seconds)
            server.start()
            plant.wait_for(frames)
            plant.wait_until_done()
            camera.join()
            exits = stop(nodes)
        return plant.counts(frames, time.monotonic() - began, exits)


def neu_images() -> list[Path]:
    """Return the real pictures, class by class."""
    folder = Path(os.environ.get("LINECORE_NEU", ROOT / ".." / "shared" / "data" / "neu"))
    return [path for name in NEU_CLASSES for path in sorted((folder / name).glob("*.jpg"))]


@dataclass(frozen=True, slots=True)
class ScaleOutCounts:
    """What a proof has counted, and of what."""

    proof: str
    frames: int
    rows: int
    distinct_ids: int
    rows_by_worker: str
    left_in_the_queue: int
    dead_letters: int
    seconds: float
    ended_well: bool

    @property
    def holds(self) -> bool:
        """Whether no frame was lost or is there twice, and everybody ended well."""
        whole = self.rows == self.distinct_ids == self.frames
        return whole and self.ended_well and not (self.left_in_the_queue or self.dead_letters)


def parts(quick: bool, seed: int, progress: Progress) -> list[Callable[[], ScaleOutCounts]]:
    """Kill a worker, cut links, stop the server: under two thousand frames, or under sixty."""
    images = neu_images()
    killed, cut, away = (60, 60, 60) if quick else (2000, 1000, 2000)
    seconds = {"seconds": 3.0} if quick else {}
    proofs: dict[str, Callable[[Path], Counts]] = {
        "a worker killed half way": lambda folder: two_workers_one_killed(folder, images, frames=killed),
        "a worker's link cut": lambda folder: link_cut(folder, images, "worker-1", frames=cut, **seconds),
        "the camera node's link cut": lambda folder: link_cut(folder, images, "edge", frames=cut, **seconds),
        "the server stopped": lambda folder: server_stopped(folder, images, frames=away, **seconds),
    }
    return [partial(_counted, name, proof, progress) for name, proof in proofs.items()]


def _counted(name: str, proof: Callable[[Path], Counts], progress: Progress) -> ScaleOutCounts:
    progress(0, 1, name)
    with tempfile.TemporaryDirectory() as folder:
        found = proof(Path(folder))
    progress(1, 1, name)
    return ScaleOutCounts(
        name,
        found.frames,
        found.rows,
        found.distinct,
        " + ".join(map(str, found.by_worker)),
        found.pending,
        found.dead,
        found.seconds,
        not any(found.exits),
    )
