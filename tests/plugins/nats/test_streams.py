"""Streams that are missing, or that would lose frames, on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from linecore.errors import ConfigError
from linecore.testing import Recorder
from tests.plugins.nats.lines import forward, pictures, worker
from tests.plugins.nats.servers import ask, private_server


def refusal(url: str, stream: str, folder: Path, **more: Any) -> str:
    line = worker(url, stream, Recorder(), folder, **more)
    with pytest.raises(ConfigError) as caught:
        line.prepare()
    return str(caught.value)


def test_a_stream_that_is_not_there_is_refused(server: str, stream: str, tmp_path: Path) -> None:
    sentence = refusal(server, stream, tmp_path, create_stream=False)
    assert sentence.startswith(f"line.toml: plugins.nats.stream is '{stream}', which the server does not have")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"subjects": ["{subject}.>"]}, "must be workqueue"),
        ({"subjects": ["{subject}.other"]}, "it must hold"),
        ({"subjects": ["{subject}.>"], "retention": "workqueue"}, "lets its oldest frames go"),
    ],
)
def test_a_stream_that_would_lose_frames_is_refused(
    server: str, stream: str, tmp_path: Path, config: dict[str, Any], reason: str
) -> None:
    subjects = [one.format(subject=stream.lower()) for one in config["subjects"]]

    async def make(client: Client) -> None:
        await client.jetstream().add_stream(name=stream, **{**config, "subjects": subjects})

    ask(server, make)
    assert reason in refusal(server, stream, tmp_path)


def test_subjects_of_another_stream_are_refused(server: str, stream: str, tmp_path: Path) -> None:
    forward(server, stream, pictures(1))
    sentence = refusal(server, f"{stream}_2", tmp_path, subject=stream.lower())
    assert "cannot be made: subjects overlap" in sentence


def test_a_server_without_jetstream_is_refused(tmp_path: Path) -> None:
    with private_server(tmp_path, jetstream=False) as server:
        assert "no JetStream; start it with -js" in refusal(server.url, "S", tmp_path)
