"""More than one machine: camera nodes and workers that share a stream, and what cannot go wrong with it.

``python -m tests.torture.scale_out`` runs the proofs at full length and prints their counts; tests run them short.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy.engine import make_url

from tests.conftest import NEU_CLASSES, ROOT
from tests.db.databases import fresh_database
from tests.plugins.nats.servers import PrivateServer, private_server
from tests.torture.network import network
from tests.torture.plant import WORKERS, Counts, Plant, ended, stop
from tests.torture.relay import relay


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
                server.kill()


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
            server.kill()
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


def main() -> None:
    """Run the proofs at full length."""
    images = neu_images()
    proofs: dict[str, Callable[[Path], Counts]] = {
        "two workers, one killed half way": lambda folder: two_workers_one_killed(folder, images),
        "link of a worker cut for 20 s": lambda folder: link_cut(folder, images, "worker-1"),
        "link of the camera node cut for 20 s": lambda folder: link_cut(folder, images, "edge"),
        "server stopped for 60 s": lambda folder: server_stopped(folder, images),
    }
    for name, proof in proofs.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                counts = proof(Path(folder))
            except pytest.skip.Exception as reason:
                print(f"{name}: skipped: {reason}")  # noqa: T201  # what a proof is for
                continue
        print(f"{name}: {counts}", flush=True)  # noqa: T201
        counts.check()


if __name__ == "__main__":
    main()
