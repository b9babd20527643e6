from pathlib import Path

import pytest

from linecore.config import LineConfig, parse_config
from linecore.errors import ConfigError, MissingExtraError, UnknownPluginError
from linecore.line import Line
from linecore.plugins import create_plugin, find_plugin, hooks_of, known_plugins, load_plugin

SINK = """
from linecore import hookimpl

class PrintSink:
    @hookimpl
    def record(self, inspections):
        for inspection in inspections:
            print(inspection.frame.id, inspection.verdict.decision)

class Misspelt:
    @hookimpl
    def recrod(self, inspections):
        pass

class WrongArgument:
    @hookimpl
    def record(self, frames):
        pass

class Unmarked:
    def record(self, inspections):
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sinks.py").write_text(SINK)
    return tmp_path


def config(folder: Path, plugins: str) -> LineConfig:
    return parse_config(f'[line]\nname = "a"\n{plugins}'.encode(), folder / "line.toml", {})


def problem(folder: Path, plugins: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Line.from_config(config(folder, plugins))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/line.toml", "line.toml")


def test_the_first_party_plugins_are_found_like_any_other() -> None:
    assert {"folder", "camera", "zmq", "simulator", "tflite", "keras", "gradcam", "database"} <= set(known_plugins())


@pytest.mark.parametrize("name", list(known_plugins()))
def test_every_installed_plugin_loads_and_answers_a_hook(name: str) -> None:
    assert hooks_of(load_plugin(known_plugins()[name]))


def test_a_plugin_from_a_file_beside_the_config(folder: Path) -> None:
    (table,) = config(folder, '[plugins.mine]\ntype = "./sinks.py:PrintSink"').plugins
    assert type(create_plugin(table, config(folder, ""))).__name__ == "PrintSink"


def test_an_unknown_plugin_is_named_with_a_suggestion(folder: Path) -> None:
    assert problem(folder, "[plugins.databse]") == (
        "line.toml: plugins.databse is 'databse', and no plugin has that name; did you mean 'database'?"
    )
    assert problem(folder, '[plugins.left]\ntype = "camra"').startswith("line.toml: plugins.left.type is 'camra', and")


def test_a_file_or_class_that_is_not_there(folder: Path) -> None:
    assert "but " in problem(folder, '[plugins.a]\ntype = "./sink.py:PrintSink"')
    assert problem(folder, '[plugins.a]\ntype = "./sinks.py:PrintSnk"').endswith(
        "but sinks.py has no class 'PrintSnk'; did you mean 'PrintSink'?"
    )


def test_a_file_that_cannot_be_imported(folder: Path) -> None:
    (folder / "broken.py").write_text("import nothing_like_this")
    assert problem(folder, '[plugins.a]\ntype = "./broken.py:Sink"').endswith(
        "broken.py cannot be imported: ModuleNotFoundError: No module named 'nothing_like_this'; mend the file"
    )


def test_a_misspelt_hook_names_the_plugin_and_the_hook(folder: Path) -> None:
    assert problem(folder, '[plugins.a]\ntype = "./sinks.py:Misspelt"') == (
        "line.toml: plugins.a: Misspelt answers a hook 'recrod', which does not exist; did you mean 'record'?"
    )


def test_a_hook_with_an_argument_that_it_does_not_have(folder: Path) -> None:
    assert "plugins.a: WrongArgument has a wrong hook" in problem(
        folder, '[plugins.a]\ntype = "./sinks.py:WrongArgument"'
    )


def test_a_plugin_without_a_marked_hook(folder: Path) -> None:
    assert problem(folder, '[plugins.a]\ntype = "./sinks.py:Unmarked"').endswith(
        "answers no hook; mark its methods with @linecore.hookimpl"
    )


def test_options_are_validated_by_the_plugin(folder: Path) -> None:
    assert problem(folder, "[plugins.console]\nverdict = 'all'") == (
        "line.toml: plugins.console.verdict is not a known key; did you mean 'verdicts'?"
    )
    assert problem(folder, "[plugins.console]\nverdicts = 'some'") == (
        "line.toml: plugins.console.verdicts is 'some'; it must be 'all', 'rejects' or 'none'"
    )
    assert problem(folder, '[plugins.a]\ntype = "./sinks.py:PrintSink"\npath = "x"').startswith(
        "line.toml: plugins.a.path is not a known key"
    )


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with an entry point whose extra is really not installed."""
    info = tmp_path / "acme_sink-1.0.dist-info"
    info.mkdir()
    (tmp_path / "acme_sink.py").write_text("import acme_driver\n")
    (info / "METADATA").write_text(
        'Metadata-Version: 2.1\nName: acme-sink\nVersion: 1.0\nRequires-Dist: acme-driver>=2 ; extra == "io"\n'
    )
    (info / "entry_points.txt").write_text("[linecore]\nacme = acme_sink:AcmeSink [io]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtraError) as caught:
        find_plugin("acme", tmp_path, where="line.toml: plugins.acme")
    assert str(caught.value) == "plugin 'acme' needs acme-driver: pip install 'acme-sink[io]'"


def test_names_of_files_outside_are_refused_by_type(folder: Path) -> None:
    with pytest.raises(UnknownPluginError):
        find_plugin("./absent.py:Sink", folder, where="here")
