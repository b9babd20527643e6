from itertools import combinations, repeat

import numpy as np
import numpy.typing as npt
import pytest

from linecore.inspection import Box
from linecore_plugins.steel.defects import DRAWERS, MANY
from linecore_plugins.steel.strip import CLEAN, DEFECTS, SteelFrame, roll_steel

SIZES = [(200, 200), (64, 64), (64, 300), (400, 80)]


def pairs(label: str, width: int = 200, height: int = 200, count: int = 24) -> list[tuple[SteelFrame, SteelFrame]]:
    """Return frames with a defect, each beside the same frame of the strip without it; every one on a new coil."""

    def roll(label: str) -> list[SteelFrame]:
        rng = np.random.default_rng(11)
        return list(roll_steel(rng, repeat(label, count), width=width, height=height, coil_frames=1))

    return list(zip(roll(label), roll(CLEAN), strict=True))


def change(defective: SteelFrame, clean: SteelFrame) -> npt.NDArray[np.int64]:
    return defective.image.astype(np.int64) - clean.image


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_every_defect_has_a_drawing_and_a_number() -> None:
    assert set(DRAWERS) == set(MANY) == set(DEFECTS)
    assert all(sum(shares) == pytest.approx(1) for shares in MANY.values())


def test_a_clean_frame_has_no_box() -> None:
    assert all(clean.truth.boxes == () and clean.truth.label == CLEAN for _, clean in pairs("patches"))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("label", DEFECTS)
def test_one_to_three_boxes_lie_in_the_frame_and_apart(label: str, width: int, height: int) -> None:
    for frame, _ in pairs(label, width, height):
        assert frame.truth.label == label
        assert 1 <= len(frame.truth.boxes) <= 3
        for x0, y0, x1, y1 in frame.truth.boxes:
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
        assert not any(overlap(a, b) for a, b in combinations(frame.truth.boxes, 2))


@pytest.mark.parametrize("label", DEFECTS)
def test_the_boxes_hold_the_defect_and_little_else_changes(label: str) -> None:
    shares = []
    for defective, clean in pairs(label):
        changed = np.abs(change(defective, clean))
        inside = np.zeros(changed.shape, bool)
        for x0, y0, x1, y1 in defective.truth.boxes:
            inside[y0:y1, x0:x1] = True
            assert np.percentile(changed[y0:y1, x0:x1], 95) >= 8  # grey levels: each one can be seen
        shares.append(changed[inside].sum() / changed.sum())
    assert min(shares) > 0.65
    assert np.mean(shares) > 0.9


@pytest.mark.parametrize("label", DEFECTS)
def test_the_boxes_are_tight(label: str) -> None:
    for defective, clean in pairs(label):
        changed = np.abs(change(defective, clean)) >= 4
        for x0, y0, x1, y1 in defective.truth.boxes:
            box = changed[y0:y1, x0:x1]
            rows, columns = np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0))
            assert rows[0] <= 8
            assert columns[0] <= 8
            assert rows[-1] >= y1 - y0 - 9
            assert columns[-1] >= x1 - x0 - 9


@pytest.mark.parametrize("label", DEFECTS)
def test_scratches_shine_and_every_other_defect_is_dark(label: str) -> None:
    changes = [change(*pair) for pair in pairs(label)]
    shines = [bool(one.max() > -one.min()) for one in changes]
    assert np.mean(shines) > 0.9 if label == "scratches" else not any(shines)


def test_inclusions_and_scratches_are_long() -> None:
    for label in ("inclusion", "scratches"):
        sides = [sorted((x1 - x0, y1 - y0)) for frame, _ in pairs(label) for x0, y0, x1, y1 in frame.truth.boxes]
        assert np.median([long / short for short, long in sides]) > 2.5


def test_some_scratches_run_across_the_strip_but_most_along() -> None:
    along = [y1 - y0 > x1 - x0 for frame, _ in pairs("scratches", count=80) for x0, y0, x1, y1 in frame.truth.boxes]
    assert 0.6 < np.mean(along) < 1
