from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from linecore_models.novelty_methods import METHODS
from linecore_models.novelty_study import study


def test_every_way_to_measure_novelty_stands_in_the_table_the_best_first(trained: Path, plates: Path) -> None:
    told = CliRunner().invoke(study, [str(plates), "--model", str(trained)], catch_exceptions=False)
    assert told.exit_code == 0
    rows = [line.split() for line in told.output.splitlines() if "%" in line]
    assert len(rows) == len(METHODS) + 2  # and what is served, before and after other surfaces are shown
    means = [next(float(cell) for cell in row if cell.startswith(("0.", "1."))) for row in rows]
    assert means == sorted(means, reverse=True)
