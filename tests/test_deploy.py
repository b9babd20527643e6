"""The files for a plant are right."""

import configparser
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from linecore.cli import linecore
from linecore.config import load_config
from linecore.line import Line

DEPLOY = Path(__file__).parent.parent / "deploy"


@pytest.mark.parametrize(
    "path", sorted((*DEPLOY.glob("lines/*.toml"), *DEPLOY.glob("scale-out/*.toml"))), ids=lambda path: path.stem
)
def test_a_sample_line_makes_a_line(path: Path) -> None:
    secrets = dict.fromkeys(re.findall(r"\$\{(\w+)\}", path.read_text()), "secret")
    Line.from_config(load_config(path, secrets)).check_complete()


def unit_of(name: str) -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their capitals
    unit.read(DEPLOY / "systemd" / name)
    return unit


def test_the_purge_of_every_night_is_a_command_that_there_is() -> None:
    program, *arguments = unit_of("linecore-purge@.service")["Service"]["ExecStart"].split()
    assert program.endswith("/linecore")
    result = CliRunner().invoke(linecore, [*arguments, "--help"])
    assert result.exit_code == 0
    assert "Persistent" in unit_of("linecore-purge@.timer")["Timer"]


def test_the_service_drains_before_it_is_killed() -> None:
    unit = unit_of("linecore@.service")
    assert unit["Service"]["ExecStart"].endswith("linecore serve line.toml")
    assert int(unit["Service"]["TimeoutStopSec"]) > 30  # the default drain_timeout_s


def test_every_file_is_named_in_the_readme() -> None:
    told = (DEPLOY / "README.md").read_text()
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.name != "README.md"]
    assert all(f"`{path.relative_to(DEPLOY)}`" in told for path in files)
