from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.errors import ConfigError
from linecore.inspection import Image
from linecore_models.boxes import Window
from linecore_models.dataset import LabelledImage
from linecore_models.division import Division
from linecore_models.integrity import (
    FINE_BLUR,
    FINE_SIDE,
    NEAR,
    Alike,
    check_integrity,
    detail,
    readable,
    similarity_of,
    without_leaks,
)

SIDE = 96


def steel(seed: int, width: int = SIDE) -> Image:
    """Draw blotches a few pixels wide, such as scale has."""
    noise = np.random.default_rng(seed).normal(0, 60, (SIDE, width))
    return (128 + 4 * cv2.GaussianBlur(noise, (0, 0), 3)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "neu"


def written(folder: Path, name: str, pixels: Image, label: str = "scratches") -> LabelledImage:
    path = folder / label / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
    return LabelledImage(path, "neu", label)


def test_crops_of_the_same_steel_share_what_they_share() -> None:
    strip = steel(0, 2 * SIDE)
    for shift in (0, 12, 24, 36):
        similarity = similarity_of(strip[:, :SIDE], strip[:, shift : shift + SIDE])
        assert similarity == pytest.approx(1 - shift / SIDE, abs=0.12)


def test_light_and_contrast_change_nothing_and_other_steel_is_another() -> None:
    ramp = np.linspace(-30, 30, SIDE)
    lit = (0.7 * steel(0) + 20 + ramp).clip(0, 255).astype(np.uint8)
    assert similarity_of(steel(0), lit) > 0.95
    assert similarity_of(steel(0), steel(1)) < 0.35


def test_straight_lines_are_not_what_makes_steel_alike() -> None:
    one, other = steel(0), steel(1)
    for image, column in ((one, 20), (other, 60)):
        image[:, column : column + 5] = 255
    assert similarity_of(one, other) < 0.4


def test_a_detail_has_length_one_unless_there_is_none() -> None:
    found = detail(steel(0), FINE_SIDE, FINE_BLUR)
    assert found.shape == (FINE_SIDE, FINE_SIDE)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert not detail(np.full((SIDE, SIDE), 77, np.uint8), FINE_SIDE, FINE_BLUR).any()
    assert similarity_of(np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8)) == 0


def test_everything_that_is_wrong_is_found(folder: Path) -> None:
    strip = steel(0, 2 * SIDE)
    teaching = [written(folder, f"train_{seed}", steel(seed)) for seed in range(10, 20)]
    same = written(folder, "same", strip[:, :SIDE])
    judging = written(folder, "judging", strip[:, :SIDE])
    shifted = written(folder, "shifted", strip[:, 24 : 24 + SIDE], "patches")
    broken = LabelledImage(folder / "scratches/broken.png", "neu", "scratches")
    broken.path.write_bytes(b"no image")
    mined = replace(judging, label="ok", window=Window(0, 0, 9, 9), boxes=())
    found = check_integrity(Division((*teaching, same, broken), (shifted,), (judging, mined)))
    assert [one.image for one in found.unreadable] == [broken]
    assert "cannot be read" in found.unreadable[0].reason
    assert found.exact == (Alike(same, judging, ("train", "test"), 1.0, exact=True),)
    assert [(one.first, one.second, one.parts) for one in found.near] == [
        (same, shifted, ("train", "validation")),
        (shifted, judging, ("validation", "test")),
    ]
    assert all(NEAR <= one.similarity < 1 and not one.exact for one in found.near)
    assert found.contradictions == found.near
    assert found.leaks == (*found.exact, *found.near)
    assert found.indistinct == ()


def test_files_that_are_no_images_are_in_no_part(folder: Path) -> None:
    good, other = written(folder, "1", steel(0)), written(folder, "2", steel(1))
    broken = replace(good, path=folder / "scratches" / "3.png")
    broken.path.write_bytes(b"no image")
    division = Division((good, broken), (other,), ())
    assert readable(division, check_integrity(division)) == Division((good,), (other,), ())


def test_copies_in_one_part_are_no_leak_and_only_exact_ones_are_told(folder: Path) -> None:
    strip = steel(0, 2 * SIDE)
    one, copy = written(folder, "one", strip[:, :SIDE]), written(folder, "copy", strip[:, :SIDE])
    near = written(folder, "near", strip[:, 9 : 9 + SIDE])
    found = check_integrity(Division((one, copy, near), (), (written(folder, "test", steel(5)),)))
    assert [(pair.first, pair.second, pair.across) for pair in found.exact] == [(one, copy, False)]
    assert (found.near, found.leaks) == ((), ())


def test_where_all_look_alike_no_pair_is_a_copy(folder: Path) -> None:
    """Parts that lie in the same place before the same background: that is their class, not a leak."""
    rng = np.random.default_rng(0)

    def part(name: str) -> LabelledImage:
        speckled = steel(0).astype(np.float64) + rng.normal(0, 5, (SIDE, SIDE))
        return written(folder, name, speckled.clip(0, 255).astype(np.uint8))

    division = Division(tuple(part(f"train_{i}") for i in range(8)), (part("validation"),), (part("test"),))
    found = check_integrity(division)
    assert found.near == ()
    assert {division.validation[0], division.test[0]} <= set(found.indistinct)
    assert without_leaks(division, found) == (division, ())


def test_nothing_to_look_at_is_nothing_found() -> None:
    found = check_integrity(Division((), (), ()))
    assert (found.unreadable, found.exact, found.near, found.indistinct) == ((), (), (), ())


def test_what_judges_stays_and_what_resembles_it_goes(folder: Path) -> None:
    strip = steel(0, 2 * SIDE)
    others = [written(folder, f"other_{seed}", steel(seed)) for seed in (21, 22, 23)]
    test = written(folder, "test", strip[:, :SIDE])
    validation = written(folder, "validation", strip[:, 12 : 12 + SIDE])
    train = written(folder, "train", strip[:, 24 : 24 + SIDE])
    far = written(folder, "far", strip[:, 48 : 48 + SIDE])  # resembles the validation image alone, which goes
    division = Division((others[0], train, far), (others[1], validation), (others[2], test))
    cleared, left_out = without_leaks(division, check_integrity(division))
    assert left_out == (train, validation)
    assert cleared == Division((others[0], far), (others[1],), division.test)


def test_a_class_of_which_nothing_would_be_left_is_named(folder: Path) -> None:
    images = [written(folder, name, steel(0)) for name in ("train", "test")]
    division = Division((images[0],), (), (images[1],))
    with pytest.raises(
        ConfigError, match="every train image of class 'scratches' shows the same as an image that judges"
    ):
        without_leaks(division, check_integrity(division))


def test_overlapping_crops_of_real_steel_are_found(neu: Path) -> None:
    def grey(name: str) -> Image:
        pixels = cv2.imread(str(neu / name), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        return np.asarray(pixels, np.uint8)

    pairs = (("inclusion", 188, 210), ("rolled-in_scale", 53, 54), ("crazing", 132, 134), ("pitted_surface", 171, 292))
    for label, one, other in pairs:
        assert similarity_of(grey(f"{label}/{label}_{one}.jpg"), grey(f"{label}/{label}_{other}.jpg")) > 0.8
    assert similarity_of(grey("crazing/crazing_132.jpg"), grey("crazing/crazing_298.jpg")) < 0.3
