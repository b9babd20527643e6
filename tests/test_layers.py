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
    foreign = (
        "tensorflow",
        "keras",
        "sqlalchemy",
        "zmq",
        "nats",
        "paho",
        "httpx",
        "ai_edge_litert",
        "sklearn",
        "watchfiles",
    )
    found = {name for path in FOLDERS["linecore"].rglob("*.py") for name in imports(path)}
    assert {name for name in found if name.split(".")[0] in foreign} == set()


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.stem for folder in FOLDERS.values() for path in folder.rglob("*.py")}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "base", "manager", "misc"})
