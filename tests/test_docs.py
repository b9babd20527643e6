"""What the documentation says is what the code does."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from linecore.cli import SUMMARIES
from linecore.config import parse_config
from linecore.line import Line
from linecore.plugins import HOOKS, known_plugins

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def snippets(language: str) -> list[tuple[str, str]]:
    return [(page.name, block) for page in PAGES for block in blocks(page, language)]


def test_generated_parts_are_up_to_date() -> None:
    """`make docs` writes them."""
    cogged = [str(page) for page in PAGES if "[[[cog" in page.read_text()]
    command = [sys.executable, "-m", "cogapp", "--check", "--diff", "-I", str(ROOT / "docs"), *cogged]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_hook_command_and_plugin_is_documented() -> None:
    hooks, commands, plugins = (
        (ROOT / "docs" / name).read_text() for name in ("plugins.md", "commands.md", "configuration.md")
    )
    assert all(f"### `{hook}`" in hooks for hook in HOOKS)
    assert all(f"## `linecore {command}`" in commands for command in SUMMARIES)
    assert all(f"### `[plugins.{plugin}]`" in plugins for plugin in known_plugins())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(("page", "code"), snippets("python"))
def test_python_snippets_compile(page: str, code: str) -> None:
    compile(re.sub(r"^(\w+\(.*\).*)$", r"def \1: ...", code) if code.count("\n") == 1 else code, page, "exec")


@pytest.mark.parametrize(("page", "text"), snippets("toml"))
def test_toml_snippets_are_valid_and_their_plugins_accept_them(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tomllib.loads(text)
    if "project" in written:
        return
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(name, "secret")
    for block in blocks(ROOT / "docs" / "plugins.md", "python"):
        if "class CsvSink" in block and "Config" not in block:
            (tmp_path / "csv_sink.py").write_text(block)
    whole = text if "line" in written else f'[line]\nname = "snippet"\n{text}'
    Line.from_config(parse_config(whole.encode(), tmp_path / "line.toml", {"TOKEN": "secret", "PASSWORD": "secret"}))
