"""Encoded bytes -> pixels, or one sentence that says why not."""

from __future__ import annotations

import os

# Looked at by OpenCV once, when it is loaded, and compared with a file's header before anything is allocated.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(16384 * 8192))

import cv2
import numpy as np

from linecore.errors import ImageError
from linecore.formats import ImageFormat, format_of
from linecore.inspection import Image, read_only

MAX_ENCODED_BYTES = 64 * 1024 * 1024
"""Line-scan frames of 8k x 4k pixels in 8-bit TIFF have 32 MiB; a file beyond twice that is a mistake or an attack."""

_TAIL = 4096  # some cameras append metadata after the end marker


def _problem(encoded: bytes) -> str | None:
    """Say whether the file is of no known format, or ends too early: OpenCV would fill the rest with grey."""
    match format_of(encoded):
        case ImageFormat.JPEG:
            return None if b"\xff\xd9" in encoded[-_TAIL:] else "the JPEG ends before its end marker"
        case ImageFormat.PNG:
            return None if b"IEND" in encoded[-_TAIL:] else "the PNG ends before its IEND chunk"
        case ImageFormat.BMP:
            declared = int.from_bytes(encoded[2:6], "little")
            has = f"the BMP has {len(encoded)} of the {declared} bytes it declares"
            return None if len(encoded) >= declared else has
        case ImageFormat.TIFF:
            return None
        case None:
            return "it is not a JPEG, PNG, BMP or TIFF file"


def decode(encoded: bytes) -> Image:
    """Decode a JPEG, PNG, BMP or TIFF file.

    Returns uint8 pixels, HxW for grey files and HxWx3 BGR for others, read-only, turned upright by its EXIF tag; deeper
    pixels are scaled to 8 bits and transparency is left out.

    A JPEG that was damaged in the middle is decoded all the same, with wrong pixels: its format has no checksum, and
    OpenCV does not hand on what the decoder noticed.

    Raises:
        ImageError: empty, beyond 64 MiB or 134 megapixels, of another format, truncated, or damaged beyond decoding.
    """
    if not encoded:
        raise ImageError("the file is empty")
    if len(encoded) > MAX_ENCODED_BYTES:
        raise ImageError(f"the file has {len(encoded)} bytes, the limit is {MAX_ENCODED_BYTES}")
    if problem := _problem(encoded):
        raise ImageError(problem)
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_ANYCOLOR)
    except cv2.error as error:
        raise ImageError(f"it cannot be decoded: {str(error).strip().splitlines()[-1]}") from None
    if image is None or not image.size:
        raise ImageError("it is damaged: OpenCV cannot decode it")
    return read_only(image)
