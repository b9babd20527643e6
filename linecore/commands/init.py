"""``linecore init``: a file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from linecore.errors import ConfigError

_SOURCES = {
    "simulator": """\
[plugins.simulator]          # drawn steel, to try things out; replace it by your camera or folder
frames = 300
""",
    "folder": """\
[plugins.folder]
path = "incoming"            # images that are here, and new ones as they appear
""",
    "camera": """\
[plugins.camera]
device = 0                   # or url = "rtsp://..." or file = "strip.avi"
fps = 10
""",
    "zmq": """\
[plugins.zmq]
bind = "tcp://127.0.0.1:5570"  # `linecore send tcp://127.0.0.1:5570 IMAGE...` sends to it
""",
}

_TEMPLATE = """\
# A line: tables in the order in which a frame meets them. `linecore check` tells what is wrong with it,
# `linecore plugins show NAME` what a plugin's table may hold.
[line]
name = "{name}"

[decision]
pass_labels = ["ok"]         # good product; every other label is a FAIL
min_confidence = 0.31        # below: UNCERTAIN, a person should look; neu is seldom so unsure
max_novelty = 0.998          # above: UNCERTAIN too; both are what the model's makers ask for

{source}
[plugins.tflite]
model = "neu"                # a bundled model, or the folder of your own

[plugins.gradcam]

[plugins.console]

[plugins.database]
url = "sqlite:///history.db"

[plugins.files]
path = "evidence"            # images and overlays of what did not pass

[[alarms]]
name = "scratch burst"
labels = ["scratches"]
count = 3
of = 10
priority = "high"
"""


@click.command(epilog="Example: linecore init my-line --source folder")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--source", type=click.Choice(sorted(_SOURCES)), default="simulator", show_default=True)
@click.option("--name", default="line-1", show_default=True, help="Name of the line.")
def init(folder: Path, source: str, name: str) -> None:
    """Write FOLDER/line.toml (default: here). An existing file is left alone."""
    path = folder / "line.toml"
    if path.exists():
        raise ConfigError(f"{path} exists; edit it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    if source == "folder":
        (folder / "incoming").mkdir(exist_ok=True)
    path.write_text(_TEMPLATE.format(name=name, source=_SOURCES[source]))
    click.echo(f"wrote {path}; next: linecore check {path} && linecore serve {path}")
