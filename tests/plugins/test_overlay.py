from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import Decision, Explanation, Image, Region, Verdict, read_only
from linecore_plugins.overlay import LONG_SIDE, NARROWEST, PAPER, overlay

FAIL = Verdict(Decision.FAIL, "rolled-in_scale", 0.983)


def steel(height: int = 200, width: int = 200) -> Image:
    return read_only(np.random.default_rng(0).integers(90, 150, (height, width)))


def explanation(height: int = 200, width: int = 200) -> Explanation:
    hot = np.zeros((height, width), np.float32)
    hot[20:60, 30:90] = 1
    return Explanation(hot, "class_maps", "rolled-in_scale", (Region((30, 20, 90, 60), 2400, 1.0),))


@pytest.mark.parametrize(("height", "width"), [(200, 200), (64, 256), (700, 900), (1000, 100)])
def test_small_frames_are_enlarged_and_large_ones_kept(height: int, width: int) -> None:
    picture = overlay(steel(height, width), explanation(height, width), FAIL)
    factor = -(-LONG_SIDE // max(height, width))
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (max(width * factor, NARROWEST), 3)
    assert picture.shape[0] > height * factor


def test_the_frame_is_grey_where_it_is_cold_and_coloured_where_it_is_hot() -> None:
    picture = overlay(steel(), explanation(), FAIL).astype(int)
    cold, hot = picture[300:590, 300:590], picture[90:150, 130:230]
    assert np.ptp(cold, axis=-1).max() == 0
    assert np.ptp(hot, axis=-1).min() > 40


def test_the_defect_shows_through_the_heat() -> None:
    scratched = steel().copy()
    scratched[40, 40:80] = 255
    picture = overlay(scratched, explanation(), FAIL).astype(int)
    assert picture[121, 130:230].mean() - picture[100, 130:230].mean() > 25


def test_each_region_has_a_box_around_it() -> None:
    boxed = overlay(steel(), explanation(), FAIL)
    without = overlay(steel(), Explanation(explanation().heatmap, "class_maps", "rolled-in_scale"), FAIL)
    y, x = np.nonzero((boxed != without).any(axis=-1))
    assert (3 * 30 - 4 < x.min() <= 3 * 30) and (3 * 90 - 1 <= x.max() < 3 * 90 + 4)
    assert (3 * 20 - 4 < y.min() <= 3 * 20) and (3 * 60 - 1 <= y.max() < 3 * 60 + 4)


@pytest.mark.parametrize("decision", list(Decision))
def test_decisions_differ_by_more_than_their_colour(decision: Decision) -> None:
    others = {other: overlay(steel(), explanation(), Verdict(other, "scratches", 0.9)) for other in Decision}
    caption = {other: picture[600:].mean(axis=-1).round() for other, picture in others.items()}
    assert all(not np.array_equal(caption[decision], caption[other]) for other in Decision if other is not decision)


@pytest.mark.parametrize("width", [50, 200, 3000])
def test_no_text_runs_out_of_the_caption(width: int) -> None:
    reason = "confidence 0.62 is below 0.8, which is a long story that has to be told in more than a line: " * 3
    verdict = Verdict(Decision.UNCERTAIN, "a label with a name that is far too long for a caption", 0.62, None, reason)
    picture = overlay(steel(200, width), explanation(200, max(width, 100)) if width > 50 else cold(width), verdict)
    height = 200 * max(1, -(-LONG_SIDE // max(200, width)))
    assert (picture[height:, -4:] == PAPER).all()
    assert (picture[-4:] == PAPER).all()


def cold(width: int) -> Explanation:
    return Explanation(np.zeros((200, width), np.float32), "class_maps", "ok")


def test_a_colour_frame_keeps_its_colours() -> None:
    blue = np.zeros((100, 100, 3), np.uint8)
    blue[..., 0] = 200
    picture = overlay(blue, Explanation(np.zeros((100, 100), np.float32), "class_maps", "ok"), FAIL)
    assert (picture[:500] == (200, 0, 0)).all()


def test_the_frame_itself_is_left_alone() -> None:
    frame = steel()
    before = frame.copy()
    overlay(frame, explanation(), FAIL)
    np.testing.assert_array_equal(frame, before)
