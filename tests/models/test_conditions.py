from __future__ import annotations

import numpy as np
import pytest

from linecore.inspection import Image
from linecore_models import conditions as line


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grey(level: int = 128, side: int = 120) -> Image:
    return np.full((side, side), level, np.uint8)


def ramp() -> Image:
    return np.tile(np.arange(0, 256, 2, dtype=np.uint8), (128, 1))


def steel() -> Image:
    return rng(7).integers(80, 180, (96, 96), dtype=np.uint8)


def test_gaussian_noise_has_the_deviation_that_was_asked_for() -> None:
    noise = line.gaussian_noise(grey(), 10, rng()).astype(float) - 128
    assert noise.std() == pytest.approx(10, rel=0.03)
    assert abs(noise.mean()) < 0.3


def test_shot_noise_grows_with_the_root_of_the_light() -> None:
    """A pixel of level L counts 100 L / 255 photons on average, and varies by their root."""
    for level in (64, 200):
        photons = 100 * level / 255
        noise = line.shot_noise(grey(level), 100, rng()).astype(float)
        assert noise.mean() == pytest.approx(level, rel=0.03)
        assert noise.std() == pytest.approx(np.sqrt(photons) * 255 / 100, rel=0.1)


def test_salt_and_pepper_change_that_share_of_the_pixels_half_each() -> None:
    changed = line.salt_and_pepper(grey(side=400), 0.02, rng())
    assert (changed == 0).mean() == pytest.approx(0.01, rel=0.15)
    assert (changed == 255).mean() == pytest.approx(0.01, rel=0.15)
    assert ((changed == 128) | (changed == 0) | (changed == 255)).all()


def test_defocus_spreads_a_point_like_a_gaussian() -> None:
    point = np.zeros((41, 41), np.uint8)
    point[20, 20] = 255
    blurred = line.defocus(point, 1.5)
    assert blurred[20, 20] == pytest.approx(255 / (2 * np.pi * 1.5**2), rel=0.05)
    assert np.array_equal(blurred, blurred.T)


@pytest.mark.parametrize(("angle", "rows", "columns"), [(0, 1, 9), (90, 9, 1)])
def test_motion_smears_along_its_direction_and_no_further(angle: float, rows: int, columns: int) -> None:
    point = np.zeros((41, 41), np.uint8)
    point[20, 20] = 255
    lit = np.argwhere(line.motion_blur(point, 9, angle) > 3)
    assert np.ptp(lit[:, 0]) + 1 == rows
    assert np.ptp(lit[:, 1]) + 1 == columns


def test_blurs_keep_the_light() -> None:
    for blurred in (line.defocus(steel(), 2), line.motion_blur(steel(), 7.5, 33)):
        assert blurred.mean() == pytest.approx(steel().mean(), abs=1.0)
        assert blurred.std() < steel().std()


def test_brightness_adds_and_saturates() -> None:
    assert line.brightness(grey(100), 40).max() == 140
    assert line.brightness(grey(240), 40).max() == 255
    assert line.brightness(grey(10), -40).max() == 0


def test_contrast_spreads_about_the_mean() -> None:
    changed = line.contrast(steel(), 0.5).astype(float)
    assert changed.mean() == pytest.approx(steel().mean(), abs=0.6)
    assert changed.std() == pytest.approx(steel().std() / 2, rel=0.03)


def test_gamma_raises_shares_of_white() -> None:
    assert line.gamma(grey(64), 2.0)[0, 0] == round(255 * (64 / 255) ** 2)
    assert line.gamma(grey(255), 2.0)[0, 0] == 255


def test_a_light_ramp_rises_by_its_levels_towards_its_angle() -> None:
    lit = line.light_ramp(grey(), 60, 0).astype(int)
    assert (lit[:, 0].mean(), lit[:, -1].mean()) == pytest.approx((98, 158), abs=1)
    up = line.light_ramp(grey(), 60, 90).astype(int)
    assert up[0].mean() > up[-1].mean()


def test_a_vignette_leaves_the_middle_and_takes_its_share_of_the_corners() -> None:
    shaded = line.vignette(grey(200, side=121), 0.4)
    assert shaded[60, 60] == 200
    assert shaded[0, 0] == pytest.approx(120, abs=1)


def test_jpeg_of_low_quality_loses_more() -> None:
    lost = [np.abs(line.jpeg(steel(), quality).astype(int) - steel()).mean() for quality in (90, 50, 10)]
    assert lost == sorted(lost)
    assert lost[0] > 0


def test_lower_resolution_keeps_the_size_and_loses_detail() -> None:
    assert line.lower_resolution(steel(), 0.5).shape == steel().shape
    assert line.lower_resolution(steel(), 0.5).std() < line.lower_resolution(steel(), 0.8).std() < steel().std()


def test_dust_only_darkens() -> None:
    dusty = line.dust(grey(200), 15, rng())
    assert dusty.max() == 200
    assert 0 < (dusty < 190).mean() < 0.2


def test_shift_mirrors_what_comes_in() -> None:
    moved = line.shift(ramp(), 10, 0)
    assert np.array_equal(moved[:, 10:], ramp()[:, :-10])
    assert moved[0, 9] == ramp()[0, 1]


def test_scale_and_rotation_leave_the_middle() -> None:
    cross = np.zeros((101, 101), np.uint8)
    cross[50, 50] = 255
    for moved in (line.scale(cross, 1.3), line.rotate(cross, 20)):
        assert divmod(int(moved.argmax()), 101) == (50, 50)


def test_quarter_turns_and_mirrors_are_exact() -> None:
    assert np.array_equal(line.quarter_turns(ramp(), 1), np.rot90(ramp()))
    assert np.array_equal(line.mirror(ramp(), sides=True), ramp()[:, ::-1])
    assert np.array_equal(line.mirror(ramp(), upside=True, sides=True), ramp()[::-1, ::-1])


def test_nothing_touches_the_picture_that_it_is_given() -> None:
    image = steel()
    image.setflags(write=False)
    for changed in (
        line.gaussian_noise(image, 5, rng()),
        line.salt_and_pepper(image, 0.1, rng()),
        line.contrast(image, 2),
        line.dust(image, 5, rng()),
        line.mirror(image),
        line.quarter_turns(image, 0),
    ):
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        changed[0, 0] = 1  # it is a new one
