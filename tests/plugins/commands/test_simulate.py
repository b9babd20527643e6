import csv
import json
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner, Result

from linecore.errors import ConfigError
from linecore_plugins.commands.simulate import simulate
from linecore_plugins.steel.strip import LABELS


def run(out: Path, *options: str) -> Result:
    return CliRunner().invoke(simulate, ["--out", str(out), "--size", "64", *options])


def boxes(out: Path) -> list[dict[str, str]]:
    with (out / "boxes.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*")}


def test_it_writes_a_folder_of_classes(tmp_path: Path) -> None:
    result = run(tmp_path / "steel", "--frames", "14")
    assert result.exit_code == 0, result.output
    assert "14 frames" in result.output
    for label in LABELS:
        written = sorted((tmp_path / "steel" / label).iterdir())
        assert [path.name for path in written] == [f"{label}_1.png", f"{label}_2.png"]
        for path in written:
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert image is not None
            assert image.shape == (64, 64)


def test_the_boxes_are_one_based_and_inclusive(tmp_path: Path) -> None:
    run(tmp_path, "--frames", "70")
    rows = boxes(tmp_path)
    assert list(rows[0]) == ["image", "label", "xmin", "ymin", "xmax", "ymax"]
    assert {row["label"] for row in rows} == set(LABELS) - {"ok"}
    for row in rows:
        assert (tmp_path / row["image"]).is_file()
        assert Path(row["image"]).parent.name == row["label"]
        assert 1 <= int(row["xmin"]) <= int(row["xmax"]) <= 64
        assert 1 <= int(row["ymin"]) <= int(row["ymax"]) <= 64


def test_every_defective_image_has_a_box_and_no_clean_one(tmp_path: Path) -> None:
    run(tmp_path, "--frames", "35")
    with_box = {row["image"] for row in boxes(tmp_path)}
    assert with_box == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png") if path.parent.name != "ok"
    }


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run(tmp_path / name, "--frames", "7", "--seed", seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") != contents(tmp_path / "c")


def test_json_says_what_was_written(tmp_path: Path) -> None:
    result = run(tmp_path / "s", "--frames", "5", "--labels", "ok, scratches", "--seed", "3", "--json")
    told = json.loads(result.output)
    assert told["frames"] == {"ok": 3, "scratches": 2}
    assert (told["out"], told["seed"], told["boxes"]) == (str(tmp_path / "s"), 3, len(boxes(tmp_path / "s")))


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("ok,scratch", "--labels names 'scratch', which is not a label of drawn steel; did you mean 'scratches'?"),
        ("rust", "--labels names 'rust', which is not a label of drawn steel; known are ok, crazing"),
        (" , ", "--labels is empty; name some of ok, crazing"),
    ],
)
def test_an_unknown_label_is_refused(tmp_path: Path, labels: str, sentence: str) -> None:
    error = run(tmp_path / "s", "--labels", labels).exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith(sentence)
    assert not (tmp_path / "s").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    error = run(tmp_path).exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"--out is '{tmp_path}', which is not an empty folder; name a new one"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
