"""What a user gets wrong is one sentence with file, key, value and wish; exit code 2, and no traceback."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lines import linecore, write_line

Change = Callable[[Path, Path], None]
"""Makes one mistake: gets the line's file and a copy of the model's folder."""


def replace(old: str, new: str) -> Change:
    def change(line: Path, model: Path) -> None:
        text = line.read_text()
        assert old in text
        line.write_text(text.replace(old, new))

    return change


def append(text: str) -> Change:
    return replace("[plugins.console]", f"{text}\n[plugins.console]")


def remove_line(line: Path, model: Path) -> None:
    line.unlink()


def remove_model(line: Path, model: Path) -> None:
    shutil.rmtree(model)


def damage_model(line: Path, model: Path) -> None:
    for file in model.glob("*.tflite"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")


def misspell_a_hook(line: Path, model: Path) -> None:
    (line.parent / "sink.py").write_text(
        "from linecore import hookimpl\n\nclass Sink:\n    @hookimpl\n    def recrod(self, inspections): ...\n"
    )
    append('[plugins.mine]\ntype = "./sink.py:Sink"')(line, model)


def shadow_a_library(line: Path, model: Path) -> None:
    """Offer a plugin whose extra is not installed."""
    info = line.parent / "acme_sink-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        'Metadata-Version: 2.1\nName: acme-sink\nVersion: 1.0\nRequires-Dist: acme-driver ; extra == "io"\n'
    )
    (info / "entry_points.txt").write_text("[linecore]\nacme = acme_sink:AcmeSink [io]\n")
    append("[plugins.acme]")(line, model)


MISTAKES: dict[str, tuple[Change, str]] = {
    "missing file": (remove_line, "line.toml does not exist; `linecore init` writes one"),
    "bad TOML": (replace("[line]", "[line"), "line.toml is not valid TOML: "),
    "unknown key": (
        replace("[plugins.folder]", "[plugins.folder]\npattern = 3"),
        "line.toml: plugins.folder.pattern is not a known key; did you mean 'patterns'?",
    ),
    "unknown plugin": (
        replace("[plugins.gradcam]", "[plugins.gradcan]"),
        "line.toml: plugins.gradcan is 'gradcan', and no plugin has that name; did you mean 'gradcam'?",
    ),
    "wrong type": (
        replace("watch = false", 'watch = "perhaps"'),
        "line.toml: plugins.folder.watch is 'perhaps'; it must be a valid boolean",
    ),
    "missing extra": (shadow_a_library, "plugin 'acme' needs acme-driver: pip install 'acme-sink[io]'"),
    "model folder absent": (remove_model, "line.toml: plugins.tflite.model: "),
    "corrupt model": (damage_model, " is damaged: its sha256 begins with "),
    "unreachable database": (
        replace("sqlite:///history.db", "postgresql://user:s3cret@127.0.0.1:1/history"),
        "line.toml: plugins.database: the database postgresql://user:***@127.0.0.1:1/history cannot be used: ",
    ),
    "folder that does not exist": (replace('"incoming"', '"incming"'), "incming', which does not exist; "),
    "misspelt hook": (
        misspell_a_hook,
        "line.toml: plugins.mine: Sink answers a hook 'recrod', which does not exist; did you mean 'record'?",
    ),
    "misspelt label": (
        append('[[alarms]]\nname = "burst"\nlabels = ["scraches"]\ncount = 1\nof = 1'),
        "line.toml: alarms: 'burst': labels has 'scraches', which the model does not know; did you mean 'scratches'?",
    ),
}


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake: str, command: str, tmp_path: Path, tiny_bundle: Path) -> None:
    model = shutil.copytree(tiny_bundle, tmp_path / "model")
    line = write_line(tmp_path, Path("model"))
    change, sentence = MISTAKES[mistake]
    change(line, model)
    done = linecore(command, line, environment={"PYTHONPATH": str(tmp_path)})
    told = [text for text in done.stderr.splitlines() if not text.startswith("INFO: ")]  # the runtime's own words
    assert done.returncode == 2, done.stderr
    assert len(told) == 1, done.stderr
    assert told[0].startswith("Error: ")
    assert sentence in told[0]
    assert "s3cret" not in done.stderr


def test_a_port_in_use_is_one_sentence(tmp_path: Path, tiny_bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = write_line(tmp_path, tiny_bundle, more=f'[plugins.zmq]\nbind = "tcp://127.0.0.1:{port}"\n')
        done = linecore("check", line)
    told = [text for text in done.stderr.splitlines() if not text.startswith("INFO: ")]
    assert done.returncode == 2, done.stderr
    assert len(told) == 1
    assert f"plugins.zmq.bind is 'tcp://127.0.0.1:{port}'" in told[0]
