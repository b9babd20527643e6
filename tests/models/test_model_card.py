from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from linecore.errors import ConfigError
from linecore_models.box_files import with_boxes
from linecore_models.bundle import load_bundle
from linecore_models.dataset import read_folders
from linecore_models.exhibits import Exhibits
from linecore_models.inquiry import Inquiry, evaluate_bundle
from linecore_models.measurements import Measurements
from linecore_models.model_card import card, make_card
from linecore_models.readings import read_readings, rejected_by_reading
from tests.models.conftest import write_plates
from tests.models.judged import StandingClock, write_boxes, write_judged

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
    assert re.search(
        r"of 9 frames are wrong under some condition; the most often: `plates/\w+/\w+\.png` under \d+", text
    )


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


@pytest.fixture(scope="module")
def of_boxed(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurements, Exhibits]:
    """What is measured of images with boxes and without good product."""
    folder = tmp_path_factory.mktemp("judged")
    images = with_boxes(read_folders([write_judged(folder, good=False)]), write_boxes(folder / "boxes.csv"))
    return evaluate_bundle(load_bundle(tiny_bundle), images, Inquiry("all"), clock=StandingClock())


def test_box_free_steel_is_told_by_class_and_by_what_was_seen_on_it(
    of_boxed: tuple[Measurements, Exhibits], tmp_path: Path
) -> None:
    found, exhibits = of_boxed
    names = {window.name for window in exhibits.windows}
    seen = "".join(f'"{name}",good,unsure\n' for name in sorted(names))
    (table := tmp_path / "seen.csv").write_text(f"window,first,second\n{seen}")
    text = card(found, found, [], rejected_by_reading(exhibits, read_readings(table)))
    assert found.good_steel is not None
    rejected = found.good_steel.overkill
    assert rejected.n == len(exhibits.windows) > 0
    assert f"| unsure, or the two differ | {rejected.k} of {rejected.n} |" in text
    for name, one in found.good_steel.by_class.items():
        assert f"| {name} | {one.k} of {one.n} |" in text
    assert "frames are wrong under some condition" not in text  # for none was asked about
    assert "what a vision model saw" not in card(found, found, [], {})


def test_readings_that_are_none_are_refused(trained: Path, plates: Path, tmp_path: Path) -> None:
    (boxes := tmp_path / "boxes.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\npatches/patches_1.png,patches,1,1,16,32\n"
    )
    (table := tmp_path / "seen.csv").write_text("window,first,second\na,good,bad\n")
    arguments = [
        plates,
        plates,
        "--boxes",
        boxes,
        "--model",
        trained,
        "--page",
        tmp_path / "card.md",
        "--readings",
        table,
    ]
    with pytest.raises(ConfigError, match=r"seen\.csv, line 2: 'bad' is no reading"):
        CliRunner().invoke(make_card, [str(argument) for argument in arguments], catch_exceptions=False)
