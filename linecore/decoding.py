"""Encoded bytes -> pixels, or one sentence that says why not."""

from __future__ import annotations

import os

from linecore.headers.header import MAX_PIXELS, Header

# Looked at by OpenCV once, when it is loaded; the header has been compared with it by then.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))

import cv2
import numpy as np
import simplejpeg

from linecore.errors import ImageError
from linecore.formats import ImageFormat, format_of
from linecore.headers.bmp import read_bmp
from linecore.headers.jpeg import read_jpeg
from linecore.headers.png import read_png
from linecore.headers.tiff import read_tiff
from linecore.inspection import Image, read_only
from linecore.orientation import upright
from linecore.tiff import read_pixels

MAX_ENCODED_BYTES = 64 * 1024 * 1024
"""Line-scan frames of 8k x 4k pixels in 8-bit TIFF have 32 MiB; a file beyond twice that is a mistake or an attack."""


def decode(encoded: bytes) -> Image:
    """Decode a JPEG, PNG, BMP or TIFF file.

    Returns uint8 pixels, HxW for grey files and HxWx3 BGR for others, read-only, turned upright by its EXIF or TIFF
    tag; of deeper pixels the upper 8 bits are taken, and transparency is left out.

    Everything that the header tells is checked first, so that a file that is refused for its size costs nothing. A
    damaged file is refused where its format or its decoder can tell: PNG and deflated TIFF have checksums, a JPEG is
    refused when libjpeg warns, which it does for about every third flipped bit; an LZW or PackBits TIFF and a BMP have
    nothing to tell by but their length.

    Raises:
        ImageError: empty, beyond 64 MiB, 65,535 pixels a side or 134 megapixels, of another format, of several pages,
            truncated, or damaged.
    """
    if not encoded:
        raise ImageError("the file is empty")
    if len(encoded) > MAX_ENCODED_BYTES:
        raise ImageError(f"the file has more than the {MAX_ENCODED_BYTES} bytes that a line takes")
    match format_of(encoded):
        case ImageFormat.JPEG:
            return read_only(_jpeg(encoded, read_jpeg(encoded)))
        case ImageFormat.PNG:
            return read_only(_by_opencv(encoded, read_png(encoded)))
        case ImageFormat.BMP:
            return read_only(_by_opencv(encoded, read_bmp(encoded)))
        case ImageFormat.TIFF:
            layout = read_tiff(encoded)
            return read_only(upright(read_pixels(encoded, layout), layout.orientation))
        case None:
            if encoded[:4] in (b"II+\0", b"MM\0+"):
                raise ImageError("it is a BigTIFF; a line takes TIFF files of the usual kind")
            raise ImageError("it is not a JPEG, PNG, BMP or TIFF file")


def _jpeg(encoded: bytes, header: Header) -> Image:
    space = {1: "GRAY", 3: "BGR", 4: "CMYK"}[header.channels]
    try:
        # Strict: what libjpeg only warns of are wrong pixels, and OpenCV keeps the warning to itself.
        image = simplejpeg.decode_jpeg(encoded, space, strict=True)
    except ValueError as error:
        if "subsampling" in str(error):
            raise ImageError("the JPEG samples its colours in a rare way; store it as 4:4:4, 4:2:2 or 4:2:0") from None
        raise ImageError(f"the JPEG is damaged: {str(error).removeprefix('Corrupt JPEG data: ')}") from None
    if header.channels == 4:
        return _by_opencv(encoded, header)  # knows how Adobe's programs turn the inks over
    return upright(image[..., 0] if header.channels == 1 else image, header.orientation)


def _by_opencv(encoded: bytes, header: Header) -> Image:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION  # of 16 bits, libpng keeps the upper 8
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"it is damaged: {str(error).strip().splitlines()[-1]}") from None
    if image is None or not image.size:
        raise ImageError("it is damaged: OpenCV cannot decode it")
    if sorted(image.shape[:2]) != sorted((header.height, header.width)):
        raise ImageError(f"it is damaged: its {image.shape[1]} x {image.shape[0]} pixels are not those of its header")
    if image.ndim == 3 and header.channels == 1:
        image = image[..., 0]
    return upright(read_only(image), header.orientation)
