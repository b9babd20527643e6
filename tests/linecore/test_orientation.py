import io

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageOps

from linecore.decoding import decode
from linecore.inspection import Image
from linecore.orientation import upright
from tests.linecore.encoded import DEEP_COLOUR, NOISE, by_pillow, tiff


def turned(pixels: Image, orientation: int) -> Image:
    """As another library turns it."""
    picture = Picture.open(io.BytesIO(by_pillow(pixels, "PNG")))
    picture.getexif()[274] = orientation
    return np.array(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_other_programs_turn_it(orientation: int) -> None:
    assert np.array_equal(upright(NOISE, orientation), turned(NOISE, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_is_turned_alike(orientation: int) -> None:
    exif = Picture.Exif()
    exif[274] = orientation
    right = turned(NOISE, orientation)
    colour = (DEEP_COLOUR >> 8).astype(np.uint8)
    assert np.array_equal(decode(by_pillow(NOISE, "PNG", exif=exif)), right)
    for compression in (None, "tiff_lzw", "packbits", "tiff_adobe_deflate"):
        for pixels in (NOISE, colour):
            encoded = by_pillow(pixels, "TIFF", compression=compression, tiffinfo={274: orientation})
            assert np.array_equal(
                decode(encoded), turned(pixels, orientation)[..., ::-1] if pixels.ndim == 3 else right
            )
    deep = decode(tiff(DEEP_COLOUR, tags={274: orientation}))
    assert np.array_equal(deep, turned(colour, orientation)[..., ::-1])
    jpeg = by_pillow(NOISE, "JPEG", exif=exif, quality=100)
    assert np.abs(decode(jpeg).astype(int) - right).max() <= 3
