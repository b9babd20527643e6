"""A marker in the place of every plugin's secret, and mistakes and failures of all kinds: it comes out nowhere."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from linecore.config import load_config
from linecore.plugins import create_plugin
from tests.lines import linecore, write_line

MARKER = "S3CRET-marker-4711"
SECRET = {"SECRET": MARKER}

MISTAKES = {
    "webhook, another option": '[plugins.webhook]\nurl = "https://h/${SECRET}"\ntoken = "${SECRET}"\ntimeout_s = -1',
    "webhook, address": '[plugins.webhook]\nurl = "ftp://${SECRET}"',
    "webhook, no address": '[plugins.webhook]\nurl = "${SECRET}"',
    "webhook, port": '[plugins.webhook]\nurl = "https://host:${SECRET}/"',
    "webhook, token": '[plugins.webhook]\nurl = "https://h"\ntoken = "${SECRET}\\n"',
    "webhook, headers": '[plugins.webhook]\nurl = "https://h"\nheaders = { Cookie = "${SECRET}\\n" }',
    "webhook, type": '[plugins.webhook]\nurl = "https://h"\nalarms = "${SECRET}"',
    "webhook, unknown key": '[plugins.webhook]\nurl = "https://h"\ntokn = "${SECRET}"',
    "database, scheme": '[plugins.two]\ntype = "database"\nurl = "oracle://u:${SECRET}@h/d"',
    "database, at sign": '[plugins.two]\ntype = "database"\nurl = "postgresql://u:${SECRET}@x@h/d"',
    "database, no name": '[plugins.two]\ntype = "database"\nurl = "postgresql://u:${SECRET}@h"',
    "database, away": '[plugins.two]\ntype = "database"\nurl = "postgresql://u:${SECRET}@127.0.0.1:{port}/d"',
    "database, query": '[plugins.two]\ntype = "database"\n'
    'url = "postgresql://127.0.0.1:{port}/d?password=${SECRET}&sslpassword=${SECRET}"',
    "camera, no scheme": '[plugins.camera]\nurl = "${SECRET}"',
    "camera, two sources": '[plugins.camera]\nurl = "rtsp://u:${SECRET}@h/"\ndevice = 0',
    "camera, another option": '[plugins.camera]\nurl = "rtsp://u:${SECRET}@h/"\nfps = "${SECRET}"',
    "zmq, address": '[plugins.zmq]\nbind = "${SECRET}"',
    "zmq, keys": '[plugins.zmq]\nsecret_key = "${SECRET}"',
    "mqtt, address": '[plugins.mqtt]\nurl = "mqtt://u:${SECRET}@h"\nsite = "s"\narea = "a"',
    "mqtt, another option": '[plugins.mqtt]\nsite = "s"\nuser = "u"\npassword = "${SECRET}"\nkeepalive_s = 0',
    "mqtt, no user": '[plugins.mqtt]\nsite = "s"\narea = "a"\npassword = "${SECRET}"',
    "rule": '[[alarms]]\nname = "a"\ncount = "${SECRET}"\nof = 3',
}


@pytest.fixture(scope="module")
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_does_not_tell_a_secret(mistake: str, tmp_path: Path, tiny_bundle: Path, closed_port: int) -> None:
    more = MISTAKES[mistake].replace("{port}", str(closed_port))
    line = write_line(tmp_path, tiny_bundle, more=more)
    done = linecore("check", line, environment=SECRET)
    assert done.returncode == 2, done.stderr
    assert MARKER not in done.stdout + done.stderr


def test_failures_while_serving_tell_no_secret(tmp_path: Path, tiny_bundle: Path, closed_port: int) -> None:
    """A webhook whose receiver is away, beside a folder: output, history, journal."""
    more = f"""
[plugins.webhook]
url = "http://127.0.0.1:{closed_port}/${{SECRET}}?token=${{SECRET}}"
token = "${{SECRET}}"
headers = {{ Cookie = "${{SECRET}}" }}
inspections = "all"
timeout_s = 0.2

[[alarms]]
name = "every scratch"
labels = ["scratches"]
count = 1
of = 1
"""
    line = write_line(tmp_path, tiny_bundle, images=3, more=more)
    line.write_text(line.read_text().replace('name = "mill"', 'name = "mill"\nsink_attempts = 2\ndrain_timeout_s = 5'))
    done = linecore("serve", line, "--until-exhausted", environment=SECRET)
    assert done.returncode in (0, 1), done.stderr
    assert MARKER not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".toml"]
    assert any(path.name == "history.db" for path in kept)
    assert [path for path in kept if MARKER.encode() in path.read_bytes()] == []


def test_plugins_and_their_options_do_not_show_them(tmp_path: Path, tiny_bundle: Path) -> None:
    more = """
[plugins.webhook]
url = "https://h/${SECRET}"
token = "${SECRET}"
headers = { Cookie = "${SECRET}" }

[plugins.camera]
url = "rtsp://u:${SECRET}@h/"

[plugins.two]
type = "database"
url = "postgresql://u:${SECRET}@h/d"
"""
    config = load_config(write_line(tmp_path, tiny_bundle, more=more), SECRET)
    for table in config.plugins:
        plugin = create_plugin(table, config)
        shown = [repr(table), repr(plugin), *map(repr, vars(plugin).values())]
        assert [text for text in shown if MARKER in text] == [], table.name
    assert MARKER not in repr(config)
