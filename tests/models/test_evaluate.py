from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from linecore.errors import ConfigError, MissingExtraError
from linecore_models.commands.evaluate import evaluate
from linecore_models.measurements import Measurements
from tests.bundles import add_novelty, spot
from tests.models.judged import write_boxes, write_judged


def run(*arguments: object) -> str:
    told = CliRunner().invoke(evaluate, [str(argument) for argument in arguments], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.stdout


def measured(*arguments: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(*arguments, "--split", "all", "--variant", "float32", "--json"))
    return told


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged(tmp_path_factory.mktemp("data") / "plates")


@pytest.fixture(scope="module")
def defects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged(tmp_path_factory.mktemp("data") / "defects", good=False)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_boxes(tmp_path_factory.mktemp("boxes") / "boxes.csv")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise: what the tiny bundle has never seen."""
    folder = tmp_path_factory.mktemp("others") / "noise"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), rng.choice([0, 255], (200, 200)).astype(np.uint8))
    return folder


def test_what_is_right_wrong_and_let_pass_is_counted(tiny_bundle: Path, judged: Path) -> None:
    found = measured(tiny_bundle, judged)
    assert found["metrics"]["confusion"] == [[2, 0, 0], [0, 2, 1], [1, 0, 1]]
    assert (found["escapes"]["k"], found["escapes"]["n"]) == (1, 5)
    assert (found["overkill"]["k"], found["overkill"]["n"]) == (0, 2)
    assert found["escapes"]["interval"] == pytest.approx([0.0362, 0.6245], abs=1e-4)
    assert found["stress"] is found["novelty"] is found["heat_maps"] is found["good_steel"] is None


def test_the_worst_comes_first_and_escapes_before_all(tiny_bundle: Path, judged: Path) -> None:
    frames = measured(tiny_bundle, judged)["frames"]
    assert [(frame["name"], frame["outcome"]) for frame in frames[:2]] == [
        ("plates/scratches/2.png", "escape"),
        ("plates/patches/3.png", "wrong"),
    ]
    assert frames[0]["loss"] < frames[1]["loss"]  # the escape was less sure, and matters more
    assert [frame["outcome"] for frame in frames[2:]] == ["right"] * 5


def test_metrics_json_is_what_the_model_of_it_says(tiny_bundle: Path, judged: Path) -> None:
    assert Measurements.model_validate(measured(tiny_bundle, judged)).model == "tiny"


def test_boxes_say_where_heat_maps_point_and_where_good_steel_is(tiny_bundle: Path, defects: Path, boxes: Path) -> None:
    found = measured(tiny_bundle, defects, "--boxes", boxes)
    maps = found["heat_maps"]
    assert (maps["hits"]["k"], maps["hits"]["n"]) == (3, 3)
    assert maps["labels"]["patches"]["images"] == 2
    assert maps["mean"]["energy"] > 0.5 > 10 * maps["mean"]["chance"]
    assert found["overkill"] is None
    good = found["good_steel"]
    assert (good["overkill"]["k"], good["by_label"]) == (0, {"patches": 0, "scratches": 0})
    assert good["overkill"]["n"] >= 3
    assert (good["spread"], good["elsewhere"]) == ([], None)


def test_good_steel_beside_spread_defects_is_counted_apart(
    tiny_bundle: Path, defects: Path, boxes: Path, tmp_path: Path
) -> None:
    """A window from the edge of a scratch that nobody boxed is called scratches; those around patches are not."""
    bundle, data = shutil.copytree(tiny_bundle, tmp_path / "bundle"), shutil.copytree(defects, tmp_path / "defects")
    frame = spot(255, at=(150, 50))
    frame[120:180, 20:80] = 255
    cv2.imwrite(str(data / "scratches" / "1.png"), frame)
    manifest = json.loads((bundle / "model.json").read_text())
    manifest["data"]["spread"] = ["scratches"]
    (bundle / "model.json").write_text(json.dumps(manifest))
    good = measured(bundle, data, "--boxes", boxes)["good_steel"]
    assert good["overkill"]["k"] == good["by_class"]["scratches"]["k"] > 0
    assert good["by_class"]["patches"]["k"] == good["elsewhere"]["k"] == 0
    assert (
        good["by_class"]["patches"]["n"]
        == good["elsewhere"]["n"]
        == good["overkill"]["n"] - (good["by_class"]["scratches"]["n"])
    )


def test_insertion_and_deletion_are_measured_against_chance_and_forgetting(tiny_bundle: Path, judged: Path) -> None:
    maps = measured(tiny_bundle, judged, "--heat-maps")["heat_maps"]
    assert maps["hits"] is None
    assert maps["ablation"]["images"] == 7
    assert maps["ablation"]["deletion"] < maps["ablation"]["random_deletion"]
    assert maps["randomised"][0]["layer"]


def test_novelty_is_that_of_the_bundle(tiny_bundle: Path, others: Path, judged: Path, tmp_path: Path) -> None:
    bundle = add_novelty(shutil.copytree(tiny_bundle, tmp_path / "tiny"))
    novelty = measured(bundle, judged, "--unknown", others)["novelty"]
    assert novelty["method"] == "by hand"
    assert [one["folder"] for one in novelty["folders"]] == ["noise"]
    assert novelty["folders"][0]["frames"] == 4


def test_without_statistics_the_lack_of_confidence_stands_in(tiny_bundle: Path, judged: Path, others: Path) -> None:
    novelty = measured(tiny_bundle, judged, "--unknown", others)["novelty"]
    assert novelty["method"].startswith("1 - confidence")
    assert novelty["threshold"] is None


def test_thresholds_follow_the_costs(tiny_bundle: Path, judged: Path) -> None:
    dear = measured(tiny_bundle, judged)["thresholds"]
    assert dear["chosen_by"] == "evaluated"
    assert dear["tried"]["escapes"]["k"] == 0  # an escape costs 100, a look 2: the doubtful frame goes to a person
    cheap = measured(tiny_bundle, judged, "--cost-escape", 0.1)["thresholds"]
    assert cheap["tried"]["escapes"]["k"] == 1


def test_a_page_and_metrics_json_are_written(tiny_bundle: Path, judged: Path, tmp_path: Path) -> None:
    told = run(tiny_bundle, judged, "--split", "all", "--stress", "--report", tmp_path / "report.html")
    assert "report in " in told
    page = (tmp_path / "report.html").read_text()
    assert "Escape: scratches called ok" in page
    found = Measurements.model_validate_json((tmp_path / "metrics.json").read_bytes())
    assert found.stress is not None
    assert len(found.stress.rows) >= 15
    assert found.integrity is not None  # the same pictures lie in several classes
    assert any(finding.kind == "the same pixels twice" for finding in found.integrity)


def test_a_person_reads_the_answer_first_within_100_columns(
    tiny_bundle: Path, defects: Path, boxes: Path, others: Path
) -> None:
    told = run(tiny_bundle, defects, "--boxes", boxes, "--unknown", others, "--split", "all")
    assert re.search(r"Escapes +do not trust +It lets 1 of 5 defects", told)
    assert told.index("do not trust") < told.index("truth in rows")
    assert max(map(len, told.splitlines())) <= 100


def test_what_cannot_be_written_or_read_is_told_before_the_measuring(
    tiny_bundle: Path, judged: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="which is a folder; name a file in it"):
        run(tiny_bundle, judged, "--split", "all", "--report", tmp_path)
    with pytest.raises(ConfigError, match="there is no folder .*absent; make it first"):
        run(tiny_bundle, judged, "--split", "all", "--report", tmp_path / "absent" / "report.html")
    with pytest.raises(ConfigError, match="which holds no images"):
        run(tiny_bundle, judged, "--split", "all", "--unknown", tmp_path)
    with pytest.raises(ConfigError, match="which is no folder"):
        run(tiny_bundle, judged, "--split", "all", "--unknown", tmp_path / "absent")
    with pytest.raises(ConfigError, match="the data holds none of the 0 test images"):
        run(tiny_bundle, judged)


def test_what_a_report_needs_is_missed_before_the_measuring(
    tiny_bundle: Path, judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "linecore_models.report", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert "5 of 7 correct" in run(tiny_bundle, judged, "--split", "all")  # without a page, it is not needed
    with pytest.raises(MissingExtraError, match=r"`linecore evaluate` needs jinja2: pip install 'linecore\[train\]'"):
        run(tiny_bundle, judged, "--split", "all", "--report", tmp_path / "report.html")


def test_a_spot_is_where_the_boxes_say() -> None:
    assert (spot(0)[44:72, 144:172] == 0).all()
    assert (spot(0) == 0).sum() == 28 * 28
