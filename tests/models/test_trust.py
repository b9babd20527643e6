from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore_models.answers import bundle_answers
from linecore_models.boxes import Box
from linecore_models.bundle import load_bundle, write_manifest
from linecore_models.dataset import LabelledImage, load_image, load_squares, read_folders
from linecore_models.division import Division
from linecore_models.manifest import Manifest
from linecore_models.novelty import Looks, Novelty
from linecore_models.novelty_fit import Others, with_others
from linecore_models.other_surfaces import hash_start, read_unknown
from linecore_models.stress import LOOKS
from linecore_models.textures import CHOOSING
from linecore_models.trust import MAX_NOVELTY, in_full, with_trust
from tests.bundles import spot, write_tiny_bundle

SIDE = 200
SPOTS = {"ok": 128, "patches": 0, "scratches": 255}


@pytest.fixture(scope="module")
def division(tmp_path_factory: pytest.TempPathFactory) -> Division:
    """Spots that the tiny bundle was made for, and the boxes around them."""
    folder = tmp_path_factory.mktemp("spots") / "spots"
    rng = np.random.default_rng(0)
    images = []
    for label, level in SPOTS.items():
        for number in range(8):
            x, y = rng.integers(40, SIDE - 40, 2).tolist()
            path = folder / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), spot(level, at=(x, y)))
            boxes = () if label == "ok" else (Box(x - 14, y - 14, x + 14, y + 14, label),)
            images.append(LabelledImage(path, "spots", label, boxes=boxes))
    return Division(tuple(images[::2]), tuple(images[1::2]), ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def trusted(folder: Path, division: Division) -> Manifest:
    return with_trust(folder, load_bundle(folder).manifest, division)


def test_every_figure_of_trust_is_there(trusted: Manifest, division: Division) -> None:
    assert trusted.temperature != 1
    assert trusted.min_confidence is not None
    assert trusted.max_novelty == MAX_NOVELTY
    assert trusted.novelty is not None
    assert (trusted.novelty.taught, trusted.novelty.known) == (12 * (1 + LOOKS), 12 * (1 + LOOKS))
    assert trusted.novelty.variant == "int8"
    assert trusted.novelty.auroc.keys() == CHOOSING.keys()


def test_a_family_is_judged_by_statistics_that_it_was_not_shown_to(
    folder: Path, division: Division, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[set[str]] = []

    def spied(novelty: Novelty, taught: Looks, known: Looks, others: Others) -> Novelty:
        shown.append(set().union(*others.families))
        return with_others(novelty, taught, known, others)

    monkeypatch.setattr("linecore_models.novelty_learning.with_others", spied)
    with_trust(folder, load_bundle(folder).manifest, division)
    everything, *judging = shown
    assert everything == CHOOSING.keys()
    assert judging == [CHOOSING.keys() - {family} for family in CHOOSING]


def test_novelty_learns_pictures_of_other_surfaces(folder: Path, division: Division, tmp_path: Path) -> None:
    """Frames with a wide bar, which the tiny bundle finds hardly far, are further once they were shown."""
    images = []
    for number in range(6):
        frame = spot(128)
        frame[60 + 8 * number : 100 + 8 * number] = 60
        path = tmp_path / "bars" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), frame)
        images.append(LabelledImage(path, "bars", "bars"))
    taught, asked = images[::2], images[1::2]
    found = {}
    for unknown in ((), tuple(taught)):
        copy = shutil.copytree(folder, tmp_path / f"copy-{len(unknown)}")
        manifest = with_trust(copy, load_bundle(copy).manifest, division, unknown)
        write_manifest(copy, manifest)
        bundle = load_bundle(copy)
        statistics = bundle.novelty()
        assert statistics is not None
        assert manifest.novelty is not None
        starts = {folder: set(of) for folder, of in manifest.novelty.unknown.items()}
        assert starts == ({"bars": {hash_start(image) for image in taught}} if unknown else {})
        assert manifest.novelty.doubtful == ()
        known, bars = (load_squares(some, manifest.preprocessing) for some in (division.validation, asked))
        of_known, of_bars = (
            statistics.distances(Looks.of(bundle_answers(bundle, "int8", squares).embedding, squares))
            for squares in (known, bars)
        )
        found[bool(unknown)] = float(of_bars.mean() / of_known.mean())
    assert found[True] > 1.1 * found[False]


def test_a_picture_of_the_product_among_other_surfaces_is_named(
    folder: Path, division: Division, tmp_path: Path
) -> None:
    """A file of its own, so that nothing but what is on it tells."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    others = tmp_path / "belt"
    others.mkdir()
    cv2.imwrite(str(others / "steel.jpg"), load_image(division.train[0]))
    board = np.kron(np.indices((10, 10)).sum(axis=0) % 2 * 200, np.ones((SIDE // 10, SIDE // 10))).astype(np.uint8)
    cv2.imwrite(str(others / "board.png"), board)
    images = read_unknown([others], [])
    novelty = with_trust(copy, load_bundle(copy).manifest, division, images).novelty
    assert novelty is not None
    assert novelty.doubtful == ("belt/steel.jpg",)


def test_a_folder_that_counts_less_says_nothing_of_how_sure_to_be(
    trusted: Manifest, folder: Path, division: Division, tmp_path: Path
) -> None:
    """Frames that help out are all called wrong: they are known, and neither temperature nor threshold heeds them."""
    wrong = {"ok": "scratches", "patches": "ok", "scratches": "patches"}
    helping = tuple(replace(one, source="drawn", label=wrong[one.label]) for one in division.validation)
    copy = shutil.copytree(folder, tmp_path / "copy")
    mixed = Division(division.train, (*division.validation, *helping), ())

    def with_weights(weights: dict[str, float]) -> Manifest:
        manifest = load_bundle(folder).manifest
        data = manifest.data.model_copy(update={"weights": weights})
        return with_trust(copy, manifest.model_copy(update={"data": data}), mixed)

    less, alike = with_weights({"drawn": 0.4}), with_weights({})
    assert (less.temperature, less.min_confidence) == (trusted.temperature, trusted.min_confidence)
    assert alike.temperature != trusted.temperature
    assert less.novelty is not None
    assert less.novelty.known == 24 * (1 + LOOKS)


def test_folders_that_lack_a_label_do_not_speak_alone(division: Division) -> None:
    good = [one for one in division.validation if one.label == "ok"]
    bad = [replace(one, source="bad") for one in division.validation if one.label != "ok"]
    assert in_full([*good, *bad], {"bad": 0.5}) == [*good, *bad]
    assert in_full([*good, *bad], {}) == [*good, *bad]
    assert in_full([*good, *division.validation, *bad], {"bad": 0.5}) == [*good, *division.validation]


def test_the_border_of_regions_is_where_they_fit_the_boxes_best(trusted: Manifest) -> None:
    """A spot of 28 pixels lights up a cell and the halves of its neighbours: any other share fits worse."""
    assert trusted.region_threshold is not None
    assert 0.1 < trusted.region_threshold < 0.9


def test_what_is_trusted_can_be_served(trusted: Manifest, folder: Path, division: Division) -> None:
    write_manifest(folder, trusted)
    bundle = load_bundle(folder)
    novelty = bundle.novelty()
    assert novelty is not None
    squares = load_squares(division.validation, trusted.preprocessing)
    answers = bundle_answers(bundle, "int8", squares)
    quantiles = novelty(Looks.of(answers.embedding, squares))
    assert ((quantiles >= 0) & (quantiles <= 1)).all()
    assert answers.scores.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_without_good_product_nobody_is_asked_and_without_boxes_regions_end_where_they_did(
    trusted: Manifest, folder: Path, division: Division
) -> None:
    unboxed = read_folders([division.train[0].path.parent.parent])
    manifest = trusted.model_copy(update={"pass_labels": (), "region_threshold": None})
    found = with_trust(folder, manifest, Division(unboxed, unboxed, ()))
    assert found.min_confidence is None
    assert found.region_threshold is None


def test_it_makes_no_odds_what_was_trusted_before(trusted: Manifest, folder: Path, division: Division) -> None:
    again = with_trust(folder, trusted, division)
    assert again == trusted


def test_a_bundle_without_a_file_to_serve_stays_as_it_is(trusted: Manifest, folder: Path, division: Division) -> None:
    bare = trusted.model_copy(update={"variants": {}, "keras": None, "novelty": None})
    assert with_trust(folder, bare, division) == bare
