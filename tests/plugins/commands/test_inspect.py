from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from linecore.decoding import decode
from linecore.errors import ConfigError, ModelError
from linecore_models.bundle import load_bundle, write_manifest
from linecore_plugins.commands.inspect import inspect
from tests.bundles import spot


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(inspect, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A scratch, good product, and a file that is no image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "bad.png"), spot(255, at=(60, 100)))
    cv2.imwrite(str(folder / "good.png"), spot(128))
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_masks_show_the_regions_white_on_black_and_good_product_all_black(
    photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "new" / "masks"
    done = run(photos, "--model", tiny_bundle, "--masks", masks, "--json")
    assert done.exit_code == 1  # for what is broken
    answers = {Path(one["source"]).stem: one for one in map(json.loads, done.stdout.splitlines())}
    assert {name: one["decision"] for name, one in answers.items()} == {
        "bad": "FAIL",
        "broken": "NO_RESULT",
        "good": "PASS",
    }
    assert names(masks) == ["bad.mask.png", "good.mask.png"]
    bad, good = (decode((masks / f"{name}.mask.png").read_bytes()) for name in ("bad", "good"))
    assert bad.shape == good.shape == (200, 200)
    assert set(np.unique(bad)) == {0, 255}
    assert not good.any()
    (x0, y0, x1, y1) = answers["bad"]["regions"][0]["box"]
    assert bad[y0:y1, x0:x1].any()
    assert np.count_nonzero(bad) == np.count_nonzero(bad[y0:y1, x0:x1])
    assert answers["good"]["regions"] == []


def test_heat_maps_and_masks_may_go_into_one_folder(photos: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(photos / "bad.png", "--model", tiny_bundle, "--heatmaps", out, "--masks", out)
    assert done.exit_code == 0
    assert names(out) == ["bad.mask.png", "bad.overlay.jpg", "bad.png"]


def test_nothing_is_written_that_was_not_asked_for(photos: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert run(photos / "bad.png", "--model", tiny_bundle).exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_images_of_one_name_keep_masks_of_their_own(photos: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "bad.png").write_bytes((photos / "bad.png").read_bytes())
    masks = tmp_path / "masks"
    assert run(photos / "bad.png", other / "bad.png", "--model", tiny_bundle, "--masks", masks).exit_code == 0
    assert names(masks) == ["bad-2.mask.png", "bad.mask.png"]


@pytest.fixture
def careful(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A model that was measured to be sure of nothing below 1, and whose good product is called patches."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "careful")
    manifest = load_bundle(folder).manifest
    write_manifest(folder, manifest.model_copy(update={"min_confidence": 1.0, "pass_labels": ("patches",)}))
    return folder


def decision(*arguments: str | Path) -> str:
    return str(json.loads(run(*arguments, "--json").stdout)["decision"])


def test_doubt_begins_and_good_is_called_as_the_model_was_measured(photos: Path, careful: Path) -> None:
    assert decision(photos / "good.png", "--model", careful) == "UNCERTAIN"
    assert decision(photos / "good.png", "--model", careful, "--min-confidence", "0") == "FAIL"
    assert decision(photos / "good.png", "--model", careful, "--min-confidence", "0", "--pass-label", "ok") == "PASS"


def test_what_a_model_never_measured_is_as_in_a_line_s_file(photos: Path, tiny_bundle: Path) -> None:
    assert load_bundle(tiny_bundle).manifest.min_confidence is None
    assert decision(photos / "good.png", "--model", tiny_bundle) == "PASS"


def test_a_frame_more_novel_than_asked_for_goes_to_a_person(photos: Path) -> None:
    assert decision(photos / "bad.png") == "UNCERTAIN"  # a white square on grey is no steel
    assert decision(photos / "bad.png", "--max-novelty", "1") != "UNCERTAIN"


def test_a_novelty_that_the_model_does_not_measure_is_refused(photos: Path, tiny_bundle: Path) -> None:
    with pytest.raises(ConfigError, match=r"--max-novelty is 0\.5, and tiny measures no novelty; leave it out"):
        run(photos / "bad.png", "--model", tiny_bundle, "--max-novelty", "0.5")


def test_a_model_that_is_not_there_is_called_by_its_option(photos: Path) -> None:
    with pytest.raises(ModelError, match="^--model: 'tinny' is neither a bundled model nor a folder"):
        run(photos, "--model", "tinny")
