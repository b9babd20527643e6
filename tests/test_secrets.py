"""What the environment gives as ${NAME} is used, and told to nobody: no log, no error, no journal, no history."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from linecore.config import load_config
from linecore.errors import LinecoreError
from linecore.events import SinkFailed, SourceConnected, SourceDisconnected
from linecore.line import Line
from linecore.plugins import create_plugin
from linecore.status import status_of
from linecore.testing import Listener
from tests.lines import linecore
from tests.plugins.camera.cameras import Stream
from tests.plugins.camera.cameras import stream as stream

SECRET = "m4rker-0f-a-secret"

LINE = """
[line]
name = "mill"
drain_timeout_s = 5
sink_timeout_s = 5

[plugins.camera]
url = "{camera}/${{SECRET}}?token=${{SECRET}}"

[plugins.lost]
type = "camera"
url = "rtsp://${{SECRET}}:${{SECRET}}@127.0.0.1:1/${{SECRET}}?key=${{SECRET}}"

[plugins.tflite]
model = "{model}"

[plugins.database]
url = "sqlite:///history.db"

[plugins.answers]
type = "webhook"
url = "{hook}/${{SECRET}}"
token = "${{SECRET}}"
inspections = "all"
headers = {{X-Key = "${{SECRET}}"}}

[plugins.away]
type = "webhook"
url = "http://127.0.0.1:1/${{SECRET}}?key=${{SECRET}}"
token = "${{SECRET}}"
inspections = "all"

[plugins.zmq]
bind = "tcp://127.0.0.1:0"
"""


class _Echoes(BaseHTTPRequestHandler):
    """Refuses, and says back what it was sent."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["X-Key"] == SECRET  # the secret is used
        self.send_response(500, f"no {self.path} for {self.headers['Authorization']}")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echoes) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def told_nobody(*texts: str) -> Iterator[list[str]]:
    said = [*texts]
    yield said
    for text in said:
        at = text.find(SECRET)
        assert at < 0, f"the secret is told: ...{text[max(0, at - 200) : at + 50]}"


def test_a_line_in_trouble_tells_no_secret(
    tmp_path: Path, tiny_bundle: Path, stream: Stream, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "line.toml"
    path.write_text(LINE.format(camera=f"http://127.0.0.1:{stream.port}", hook=hook, model=tiny_bundle))
    config = load_config(path, {"SECRET": SECRET})
    line = Line.from_config(config)
    listener = Listener(line)
    plugins = [create_plugin(table, config) for table in config.plugins]
    with caplog.at_level(logging.DEBUG), told_nobody(repr(config), *(repr(vars(one)) for one in plugins)) as said:
        line.start()
        try:
            listener.wait_for(SourceDisconnected)
            listener.wait_for(SourceConnected, 2)
            listener.wait_for(SinkFailed, 12)  # both sinks are away, and their alarms are raised
            said += [json.dumps(status_of(line)), repr(line.alarms), repr(line.dispatch.states)]
        finally:
            line.stop()
        said += [caplog.text, *map(repr, listener.events)]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "history.db" for file in files)
    assert any(".linecore" in file.parts for file in files)
    for file in files:
        assert SECRET.encode() not in file.read_bytes(), f"the secret stands in {file}"


MISTAKES = {
    "a wrong type": '[plugins.webhook]\nurl = "http://127.0.0.1:1"\ntoken = "${SECRET}"\ntimeout_s = "${SECRET}"\n',
    "an unknown key": '[plugins.webhook]\nurl = "http://127.0.0.1:1"\ntokn = "${SECRET}"\n',
    "no address": '[plugins.webhook]\nurl = "${SECRET}"\n',
    "no header": '[plugins.webhook]\nurl = "http://127.0.0.1:1"\nheaders = {"X" = "${SECRET}\\u0007"}\n',
    "no database": '[plugins.database]\nurl = "${SECRET}"\n',
    "another database": '[plugins.database]\nurl = "oracle://user:${SECRET}@host/name"\n',
    "a database away": '[plugins.database]\nurl = "postgresql://user:${SECRET}@127.0.0.1:1/name?sslpassword=${SECRET}"\n',
    "no camera": '[plugins.camera]\nurl = "${SECRET}"\n',
    "no number": '[plugins.camera]\ndevice = "${SECRET}"\n',
    "no bind": '[plugins.zmq]\nbind = "${SECRET}"\n',
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_tells_no_secret(tmp_path: Path, mistake: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "line.toml"
    path.write_text(f'[line]\nname = "mill"\n{MISTAKES[mistake]}')
    with caplog.at_level(logging.DEBUG), told_nobody() as said:
        with pytest.raises(LinecoreError) as caught:
            Line.from_config(load_config(path, {"SECRET": SECRET})).prepare()
        said += [str(caught.value), repr(caught.value), caplog.text]


def test_a_secret_that_stands_in_the_file_is_not_repeated_either(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    path.write_text(f'[line]\nname = "mill"\n[plugins.webhook]\nurl = "{SECRET}"\n')
    with told_nobody() as said:
        with pytest.raises(LinecoreError, match=r"plugins\.webhook\.url is '\*\*\*'; it must be an address") as caught:
            Line.from_config(load_config(path, {}))
        said.append(str(caught.value))


@pytest.mark.parametrize("command", ["check", "status", "serve"])
def test_commands_tell_no_secret(tmp_path: Path, tiny_bundle: Path, command: str) -> None:
    path = tmp_path / "line.toml"
    url = "postgresql://user:${SECRET}@127.0.0.1:1/history"
    text = LINE.format(camera="rtsp://127.0.0.1:1", hook="http://127.0.0.1:1", model=tiny_bundle)
    path.write_text(text.replace("sqlite:///history.db", url))
    done = linecore(command, path, environment={"SECRET": SECRET})
    assert done.returncode == 2
    with told_nobody(done.stdout, done.stderr):
        assert "Error: " in done.stderr
