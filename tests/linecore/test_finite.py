from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from linecore.commands.finite import FiniteRange


@click.command()
@click.option("--share", type=FiniteRange(0, 1))
@click.option("--cost", type=FiniteRange(min=0))
def told(share: float | None, cost: float | None) -> None:
    click.echo(f"{share} {cost}")


def test_numbers_in_the_range_come_through() -> None:
    assert CliRunner().invoke(told, ["--share", "0.25", "--cost", "7"]).output == "0.25 7.0\n"


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("option", ["--share", "--cost"])
def test_what_is_no_finite_number_is_refused(option: str, number: str) -> None:
    answer = CliRunner().invoke(told, [option, number])
    assert answer.exit_code == 2
    assert "no finite number" in answer.output or "is not in the range" in answer.output
