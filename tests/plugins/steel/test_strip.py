import pickle
from itertools import cycle, islice, repeat

import numpy as np
import pytest

from linecore_plugins.steel.strip import CLEAN, DEFECTS, LABELS, Finish, SteelFrame, Strip, roll_steel


def frames(seed: int, *labels: str, coil_frames: int = 100, width: int = 200, height: int = 200) -> list[SteelFrame]:
    return list(roll_steel(np.random.default_rng(seed), labels, width=width, height=height, coil_frames=coil_frames))


def test_the_labels_are_those_of_the_real_images() -> None:
    assert LABELS == ("ok", "crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")


@pytest.mark.parametrize(("width", "height"), [(200, 200), (64, 300), (321, 96)])
def test_a_frame_is_grey_pixels_of_the_size_asked_for(width: int, height: int) -> None:
    for frame in frames(1, *LABELS, width=width, height=height):
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (height, width)


def test_the_same_seed_rolls_the_same_strip() -> None:
    once, again, other = frames(7, *LABELS), frames(7, *LABELS), frames(8, *LABELS)
    for a, b, c in zip(once, again, other, strict=True):
        assert np.array_equal(a.image, b.image)
        assert a.truth == b.truth
        assert not np.array_equal(a.image, c.image)


def test_a_frame_does_not_depend_on_what_was_drawn_on_the_frames_before_it() -> None:
    [*_, after_clean], [*_, after_defects] = frames(3, CLEAN, CLEAN, "patches"), frames(3, *DEFECTS[:2], "patches")
    assert np.array_equal(after_clean.image, after_defects.image)


@pytest.mark.parametrize("seed", range(8))
def test_a_frame_begins_where_the_one_before_it_ended(seed: int) -> None:
    clean = frames(seed, *repeat(CLEAN, 6))
    strip = np.vstack([frame.image for frame in clean]).astype(float)
    step = np.abs(np.diff(strip, axis=0)).mean(axis=1)
    seams = step[199::200]
    assert len(seams) == 5
    assert seams.mean() < 1.15 * step.mean()
    assert np.corrcoef(strip[:100].mean(axis=0), strip[-100:].mean(axis=0))[0, 1] > 0.3  # bands run along the strip


def test_each_coil_has_a_surface_of_its_own() -> None:
    rolled = frames(5, *repeat(CLEAN, 6), coil_frames=2)
    assert [(frame.coil, frame.position) for frame in rolled] == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    level = [float(frame.image.mean()) for frame in rolled]
    assert abs(level[0] - level[1]) < abs(level[1] - level[2])


def test_coils_differ_in_brightness_and_grain() -> None:
    rolled = frames(2, *repeat(CLEAN, 60), coil_frames=1)
    level = [frame.image.mean() for frame in rolled]
    grain = [np.diff(frame.image.astype(float), axis=1).std() for frame in rolled]
    assert min(level) < 70 < 125 < max(level)
    assert max(grain) > 4 * min(grain)
    assert all(frame.image.std() < 45 for frame in rolled)


def test_an_endless_strip_needs_no_more_memory_as_it_rolls() -> None:
    rng = np.random.default_rng(0)
    strip = Strip(rng, 64, Finish.draw(rng))

    def held_after(rolls: int) -> int:
        return max(len(pickle.dumps(strip)) for _ in range(rolls) if strip.roll(64).size)

    early = held_after(40)
    assert held_after(400) <= early + 1024


def test_an_endless_row_of_labels_is_an_endless_strip() -> None:
    endless = roll_steel(np.random.default_rng(0), cycle(LABELS), width=64, height=64, coil_frames=5)
    assert [frame.truth.label for frame in islice(endless, 14)] == [*LABELS, *LABELS]
