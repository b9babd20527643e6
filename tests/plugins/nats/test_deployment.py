"""The files in deploy/scale-out work together: the server's, a camera node's, a worker's."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest
from nats.aio.client import Client

from linecore.config import load_config
from linecore.errors import ConnectionFailedError
from linecore.plugins import create_plugin
from linecore.testing import Always, Images, Recorder, grey, make_line, run
from linecore_plugins.nats.connection import NatsConnection
from linecore_plugins.nats.source import NatsSource
from tests.conftest import ROOT
from tests.plugins.nats.servers import private_server
from tests.servers import certificate

DEPLOY = ROOT / "deploy" / "scale-out"
PASSWORDS = {f"NATS_{role}_PASSWORD": f"{role}-secret" for role in ("CAMERA", "WORKER", "ADMIN")}


def server_conf(folder: Path) -> Path:
    """Return the sample with this test's own paths, and without what an old server does not know."""
    pem, key = certificate(folder)
    text = (DEPLOY / "nats-server.conf").read_text()
    text = text.replace("/etc/nats/server.pem", str(pem)).replace("/etc/nats/server.key", str(key))
    text = text.replace("/var/lib/nats", str(folder / "jetstream"))
    version = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True).stdout
    numbers = [int(one) for one in re.findall(r"\d+", version)]
    if numbers < [2, 10]:
        text = text.replace("  sync_interval: always\n", "")
    (folder / "nats-server.conf").write_text(text)
    return folder / "nats-server.conf"


def plugin(sample: str, name: str, url: str, ca: Path, password: str, folder: Path) -> object:
    """Make one plugin of a sample, for the test's own server."""
    text = (DEPLOY / sample).read_text()
    text = re.sub(r'"tls://[^"]*"', f'"{url}"', text).replace("/etc/linecore/plant-ca.pem", str(ca))
    path = folder / sample
    path.write_text(text)
    secrets = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), password)
    config = load_config(path, secrets)
    (table,) = [table for table in config.plugins if table.name == name]
    return create_plugin(table, config)


def test_a_camera_node_and_a_worker_of_the_samples_work_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    with private_server(tmp_path, "-c", str(server_conf(tmp_path)), jetstream=False) as server:
        url, ca = server.url.replace("nats://", "tls://"), tmp_path / "server.pem"

        def made(sample: str, name: str, role: str) -> object:
            return plugin(sample, name, url, ca, PASSWORDS[f"NATS_{role}_PASSWORD"], tmp_path)

        forwarder = made("camera-node.toml", "nats_forwarder", "CAMERA")
        run(make_line({"top": Images([grey(), b"no image"]), "forwarder": forwarder}))
        sink = Recorder()
        worker = make_line(
            {
                "nats": made("worker.toml", "nats", "WORKER"),
                "judge": Always(),
                "sink": sink,
                "publisher": made("worker.toml", "nats_publisher", "WORKER"),
            },
            folder=tmp_path,
        )
        worker.until_exhausted = True
        assert run(worker).recorded == 2
        assert sorted(one.frame.id for one in sink.inspections) == ["test/top/0", "test/top/1"]
        source = made("worker.toml", "nats", "WORKER")
        assert isinstance(source, NatsSource)
        assert counted(source, PASSWORDS["NATS_ADMIN_PASSWORD"]) == {
            "LINECORE_FRAMES": 0,
            "LINECORE_FRAMES_DEAD": 0,
            "LINECORE_EVENTS": 5,  # the inspections; the beginning, the ledger and the end of the worker
        }


def counted(source: NatsSource, password: str) -> dict[str | None, int]:
    """Return how many messages each stream holds, as the administrator sees it."""

    async def look(client: Client) -> dict[str | None, int]:
        return {one.config.name: one.state.messages for one in await client.jetstream().streams_info()}

    async def wait(client: Client, ready: object) -> None:
        assert callable(ready)
        ready()
        await asyncio.Event().wait()

    options = source.config.model_copy(update={"user": "admin", "password": password})
    connection = NatsConnection(options, wait, key="admin", connected=lambda: None, lost=lambda *_: None)
    connection.open()
    try:
        return connection.run(look)
    finally:
        connection.close()


def test_a_camera_node_may_not_take_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    with private_server(tmp_path, "-c", str(server_conf(tmp_path)), jetstream=False) as server:
        url, ca = server.url.replace("nats://", "tls://"), tmp_path / "server.pem"
        source = plugin("worker.toml", "nats", url, ca, "", tmp_path)
        assert isinstance(source, NatsSource)
        update = {"user": "camera", "password": PASSWORDS["NATS_CAMERA_PASSWORD"], "timeout_s": 1}
        intruder = NatsSource(source.config.model_copy(update=update))
        line = make_line({"nats": intruder}, folder=tmp_path)
        line.prepare()
        assert intruder._connection is not None
        with pytest.raises(ConnectionFailedError, match="permissions violation"):
            intruder._connection.run(lambda client: client.flush())
        line.release()


def test_the_server_file_is_valid(tmp_path: Path) -> None:
    command = ["nats-server", "-t", "-c", str(server_conf(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **PASSWORDS})
    assert done.returncode == 0, done.stderr
