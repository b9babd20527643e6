from __future__ import annotations

import base64

import cv2
import numpy as np

from linecore.inspection import Region
from linecore_models.boxes import Box
from linecore_models.drawing import GAP, SIDE, data_uri, explained, scaled

FRAME = np.full((100, 200), 128, np.uint8)
COLD = np.zeros((100, 200), np.float32)


def test_a_frame_is_shown_twice_beside_itself() -> None:
    picture = explained(FRAME, (), COLD, ())
    assert picture.shape == (SIDE // 2, 2 * SIDE + GAP, 3)
    assert (picture[:, :SIDE] == 128).all()
    assert (picture[:, -SIDE:] == 128).all()  # where it is cold, the frame stays as it is


def test_true_boxes_are_drawn_left_and_regions_right() -> None:
    box, region = Box(50, 20, 150, 80, "scratches"), Region((50, 20, 150, 80), 6000, 1.0)
    left = explained(FRAME, (box,), COLD, ())
    assert (left[:, :SIDE] != 128).any()
    assert (left[:, -SIDE:] == 128).all()
    right = explained(FRAME, (), COLD, (region,))
    assert (right[:, :SIDE] == 128).all()
    assert (right[:, -SIDE:] != 128).any()
    # Told apart without colour: one is dashed.
    assert (left[:, :SIDE] > 200).sum() < 0.75 * (right[:, -SIDE:] > 200).sum()


def test_heat_is_coloured_where_it_is() -> None:
    heat = COLD.copy()
    heat[:, :100] = 1
    right = explained(FRAME, (), heat, ())[:, -SIDE:]
    hot, cold = right[:, : SIDE // 2 - 8], right[:, SIDE // 2 + 8 :]
    assert (np.ptp(hot, axis=2) > 50).all()
    assert (cold == 128).all()


def test_a_box_that_reaches_beyond_the_frame_is_drawn_at_its_border() -> None:
    picture = explained(FRAME, (Box(-20, -20, 400, 400, "x"),), COLD, ())
    assert (picture[1, :SIDE] != 128).any()


def test_pictures_keep_their_proportions() -> None:
    assert scaled(np.zeros((10, 40), np.uint8), 80).shape == (20, 80)
    assert scaled(np.zeros((4000, 10), np.uint8), 80).shape == (80, 1)


def test_a_data_uri_holds_the_picture() -> None:
    uri = data_uri(FRAME)
    assert uri.startswith("data:image/jpeg;base64,")
    pixels = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    assert np.abs(np.asarray(cv2.imdecode(pixels, cv2.IMREAD_GRAYSCALE), np.int64) - 128).max() <= 2
