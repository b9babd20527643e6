from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from linecore_models.model_card import make_card
from tests.models.conftest import write_plates

BEGIN, END = "<!-- make card -->", "<!-- end of make card -->"


@pytest.fixture(scope="module")
def page(trained: Path, plates: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A card of the tiny bundle, and what the command said."""
    folder = tmp_path_factory.mktemp("card")
    (page := folder / "card.md").write_text(f"# Card\n\n{BEGIN}\nnothing yet\n{END}\n\nThe end.\n")
    (boxes := folder / "boxes.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\n"
        + "".join(
            f"{label}/{label}_{n}.png,{label},1,1,16,32\n" for label in ("patches", "scratches") for n in range(1, 21)
        )
    )
    drawn = write_plates(folder / "drawn", {"ok": 2, "patches": 2, "scratches": 2}, seed=9)
    arguments = [plates, drawn, "--boxes", boxes, "--model", trained, "--page", page]
    told = CliRunner().invoke(make_card, [str(argument) for argument in arguments], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return page, told.stdout


def test_the_figures_stand_between_the_marks_and_the_rest_stays(page: tuple[Path, str]) -> None:
    text = page[0].read_text()
    assert text.startswith(f"# Card\n\n{BEGIN}\n`tiny` 1, int8, file ")
    assert text.endswith(f"{END}\n\nThe end.\n")
    assert "nothing yet" not in text
    assert "| six-class accuracy, clean | 9 of 9 (100.0 %, 95 % interval 70.1 to 100.0 %) | ≥ 99.7 % | yes |" in text
    for heading in ("By class", "Where heat maps point", "Other surfaces", "What a threshold", "conditions of a line"):
        assert heading in text
    assert text.count("| Gaussian noise | sigma 20 |") == 1


def test_every_aim_is_told_whether_it_is_met_or_missed(page: tuple[Path, str]) -> None:
    told = page[1].splitlines()
    assert len(told) == 14
    assert all(line.startswith(("met ", "MISSED")) for line in told)
    # Half of each plate is boxed and all of it is bright: the heat cannot know which half.
    assert any(line.startswith("MISSED  energy in the boxes") for line in told)


def test_charts_lie_beside_the_page(page: tuple[Path, str]) -> None:
    folder = page[0].with_suffix("")
    assert sorted(path.name for path in folder.iterdir()) == [
        "novelty.svg",
        "ranking.svg",
        "reliability.svg",
        "thresholds.svg",
    ]
    for path in folder.iterdir():
        assert path.read_text().startswith("<svg ")
        assert "xmlns=" in path.read_text()[:600]
        assert f"(card/{path.name})" in page[0].read_text()
