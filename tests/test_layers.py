"""Imports point one way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "linecore": ROOT / "linecore",
    "linecore_plugins": ROOT / "plugins/linecore_plugins",
    "linecore_models": ROOT / "models/linecore_models",
    "linecore_db": ROOT / "db/linecore_db",
}
MAY_IMPORT = {
    "linecore": {"linecore"},
    "linecore_models": {"linecore", "linecore_models"},
    "linecore_db": {"linecore", "linecore_db"},
    "linecore_plugins": set(FOLDERS),
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield str(node.module)


@pytest.mark.parametrize("package", list(FOLDERS))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    files = list(FOLDERS[package].rglob("*.py"))
    assert files
    ours = {(path.name, name.split(".")[0]) for path in files for name in imports(path)}
    assert {(file, name) for file, name in ours if name in FOLDERS and name not in MAY_IMPORT[package]} == set()


def test_the_line_knows_no_camera_no_model_and_no_database() -> None:
    foreign = ("tensorflow", "keras", "sqlalchemy", "zmq", "nats", "httpx", "ai_edge_litert", "sklearn", "watchfiles")
    found = {name for path in FOLDERS["linecore"].rglob("*.py") for name in imports(path)}
    assert {name for name in found if name.split(".")[0] in foreign} == set()


def test_nothing_that_comes_from_outside_is_run() -> None:
    """No pickle and no eval anywhere; what a plugin's file does when it is imported is the business of its author."""
    running = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    for path in (path for folder in FOLDERS.values() for path in folder.rglob("*.py")):
        assert {name for name in imports(path) if name.split(".")[0] in running} == set(), path
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            assert called not in ("eval", "exec", "compile", "yaml.load", "yaml.unsafe_load", "torch.load"), path
            options = {one.arg: ast.unparse(one.value) for one in call.keywords}
            assert options.get("allow_pickle", "False") == "False", f"{path}: {called}"
            assert options.get("safe_mode", "True") == "True", f"{path}: {called}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.stem for folder in FOLDERS.values() for path in folder.rglob("*.py")}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "base", "manager", "misc"})
