"""Nothing that comes from outside is run: no pickle, and nothing that is as good as one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for name in ("linecore", "plugins", "models", "db") for path in sorted((ROOT / name).rglob("*.py"))]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"enable_unsafe_deserialization", "read_pickle", "to_pickle"}


def findings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                yield node.func.id
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield node.func.attr
            for keyword in node.keywords:
                right = isinstance(keyword.value, ast.Constant) and keyword.value.value
                if keyword.arg == "allow_pickle" and right is not False:
                    yield "allow_pickle"
                if keyword.arg == "safe_mode" and right is False:
                    yield "safe_mode=False"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    assert list(findings(ast.parse(path.read_text()))) == []


def test_the_search_finds_what_it_is_for() -> None:
    bad = (
        "import pickle\nfrom yaml import load\neval('1')\nnp.load(f, allow_pickle=True)\nload_model(f, safe_mode=False)"
    )
    assert list(findings(ast.parse(bad))) == ["pickle", "yaml", "eval", "allow_pickle", "safe_mode=False"]
