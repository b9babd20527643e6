"""What a line does to a picture: noise, blur, light, dust, compression, a part that lies askew.

Training draws their severities at random, the stress table sets them. Each function takes a grey image (uint8, HxW) as
the camera gives it, before it is resized for the model, and returns a new one of the same size and type. What moves in
from outside mirrors the inside. Randomness comes in as *rng*.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from linecore.inspection import Image

Levels = npt.NDArray[np.float32]

GREY = 256


def gaussian_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Add the noise of a sensor's electronics: normal, *sigma* grey levels."""
    return _saturated(image + sigma * rng.standard_normal(image.shape, np.float32))


def shot_noise(image: Image, photons: float, rng: np.random.Generator) -> Image:
    """Let a white pixel count *photons* on average: Poisson noise, which grows with the root of the light."""
    counted = rng.poisson(image.astype(np.float32) * (photons / 255)).astype(np.float32)
    return _saturated(counted * (255 / photons))


def salt_and_pepper(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Make *share* (0..1) of the pixels black or white, half each: dead pixels and bit errors."""
    changed = image.copy()
    drawn = rng.random(image.shape, np.float32)
    changed[drawn < share / 2] = 0
    changed[drawn > 1 - share / 2] = 255
    return changed


def defocus(image: Image, sigma: float) -> Image:
    """Blur alike in all directions: a Gaussian of *sigma* pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.uint8)


def motion_blur(image: Image, length: float, angle: float) -> Image:
    """Smear along *length* pixels in the direction *angle* (degrees, counter-clockwise from the row)."""
    reach = math.ceil(length / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    # The line is summed from points that share themselves out among their four neighbours: any length, any direction.
    for along in np.linspace(-(length - 1) / 2, (length - 1) / 2, max(2, 4 * math.ceil(length))):
        x = reach + along * math.cos(math.radians(angle))
        y = reach - along * math.sin(math.radians(angle))
        left, top = math.floor(x), math.floor(y)
        for column, in_x in ((left, left + 1 - x), (left + 1, x - left)):
            for row, in_y in ((top, top + 1 - y), (top + 1, y - top)):
                if in_x * in_y > 0:
                    kernel[row, column] += in_x * in_y
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101), np.uint8)


def brightness(image: Image, levels: float) -> Image:
    """Add *levels* of grey to every pixel."""
    return np.asarray(cv2.LUT(image, _saturated(_ramp() + levels)), np.uint8)


def contrast(image: Image, factor: float) -> Image:
    """Spread the grey levels by *factor* about their mean."""
    mean = np.float32(image.mean())
    return np.asarray(cv2.LUT(image, _saturated((_ramp() - mean) * factor + mean)), np.uint8)


def gamma(image: Image, exponent: float) -> Image:
    """Raise the grey levels, as shares of white, to *exponent*: above 1 darker, below 1 lighter."""
    return np.asarray(cv2.LUT(image, _saturated(255 * np.power(_ramp() / 255, np.float32(exponent)))), np.uint8)


def light_ramp(image: Image, levels: float, angle: float) -> Image:
    """Light one side: from -*levels*/2 to +*levels*/2 of grey across the image, towards *angle* (degrees)."""
    across, up = _places(image)
    along = across * math.cos(math.radians(angle)) + up * math.sin(math.radians(angle))
    reach = np.abs(along).max()
    return _saturated(image + np.float32(levels / 2) * along / max(reach, np.finfo(np.float32).tiny))


def vignette(image: Image, share: float) -> Image:
    """Darken towards the corners, where *share* (0..1) of the light is lost, with the square of the distance."""
    across, up = _places(image)
    distance = across**2 + up**2
    kept = (1 - share * distance / distance.max()).astype(np.float32)
    return _saturated(image * kept)


def jpeg(image: Image, quality: int) -> Image:
    """Compress as JPEG of *quality* (1..100) and decode."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def lower_resolution(image: Image, factor: float) -> Image:
    """See with *factor* (0..1) of the pixels a side, and enlarge again."""
    height, width = image.shape
    small = cv2.resize(
        image, (max(1, round(width * factor)), max(1, round(height * factor))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def dust(image: Image, specks: int, rng: np.random.Generator) -> Image:
    """Lay *specks* on the window before the lens: soft dark spots of 1 to 4 pixels' radius."""
    shade = np.zeros(image.shape, np.float32)
    height, width = image.shape
    for _ in range(specks):
        centre = int(rng.integers(width)), int(rng.integers(height))
        radius, depth = int(rng.integers(1, 5)), float(rng.uniform(0.25, 0.8))
        cv2.circle(shade, centre, radius, depth, thickness=-1)
    return _saturated(image * (1 - cv2.GaussianBlur(shade, (0, 0), 1.0)))


def shift(image: Image, to_side: float, down: float) -> Image:
    """Move the picture by pixels."""
    return warp(image, np.array([[1, 0, to_side], [0, 1, down]], np.float64))


def scale(image: Image, factor: float) -> Image:
    """Enlarge (*factor* above 1) or shrink the picture about its middle."""
    return warp(image, about_middle(image.shape, 0.0, factor))


def rotate(image: Image, degrees: float) -> Image:
    """Turn the picture counter-clockwise about its middle."""
    return warp(image, about_middle(image.shape, degrees, 1.0))


def quarter_turns(image: Image, turns: int) -> Image:
    """Turn counter-clockwise by 90 degrees, *turns* times; the sides change places when the number is odd."""
    return np.array(np.rot90(image, turns), order="C")


def mirror(image: Image, *, sides: bool = False, upside: bool = False) -> Image:
    """Change left with right (*sides*), top with bottom (*upside*), or both."""
    return np.array(image[:: -1 if upside else 1, :: -1 if sides else 1], order="C")


def about_middle(shape: tuple[int, ...], degrees: float, factor: float) -> npt.NDArray[np.float64]:
    """Return the 2x3 matrix that turns and scales an image of *shape* about its middle."""
    height, width = shape[:2]
    return np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, factor), np.float64)


def warp(image: Image, matrix: npt.NDArray[np.float64]) -> Image:
    """Move each pixel to where the 2x3 *matrix* sends it."""
    height, width = image.shape
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.uint8,
    )


def _ramp() -> Levels:
    return np.arange(GREY, dtype=np.float32)


def _places(image: Image) -> tuple[Levels, Levels]:
    """Return how far right and up of the middle each pixel lies, as broadcastable row and column."""
    height, width = image.shape
    across = np.arange(width, dtype=np.float32) - (width - 1) / 2
    up = (height - 1) / 2 - np.arange(height, dtype=np.float32)
    return across[np.newaxis, :], up[:, np.newaxis]


def _saturated(levels: Levels) -> Image:
    rounded: Image = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return rounded
