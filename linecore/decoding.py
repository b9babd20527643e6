"""Encoded bytes -> pixels, or one sentence that says why not."""

from __future__ import annotations

import os

# Looked at by OpenCV once, when it is loaded, and compared with a file's header before anything is allocated.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(16384 * 8192))

import cv2
import numpy as np

from linecore.errors import ImageError
from linecore.inspection import Image, read_only

MAX_ENCODED_BYTES = 64 * 1024 * 1024
"""Line-scan frames of 8k x 4k pixels in 8-bit TIFF have 32 MiB; a file beyond twice that is a mistake or an attack."""

_TAIL = 4096  # some cameras append metadata after the end marker


def _truncation(encoded: bytes) -> str | None:
    """Say whether the file ends too early: OpenCV would fill the rest with grey and call it a picture."""
    if encoded.startswith(b"\xff\xd8\xff"):
        return None if b"\xff\xd9" in encoded[-_TAIL:] else "the JPEG ends before its end marker"
    if encoded.startswith(b"\x89PNG\r\n\x1a\n"):
        return None if b"IEND" in encoded[-_TAIL:] else "the PNG ends before its IEND chunk"
    if encoded.startswith(b"BM"):
        declared = int.from_bytes(encoded[2:6], "little")
        return None if len(encoded) >= declared else f"the BMP has {len(encoded)} of the {declared} bytes it declares"
    if encoded[:4] in (b"II*\0", b"MM\0*"):
        return None
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
    if problem := _truncation(encoded):
        raise ImageError(problem)
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_ANYCOLOR)
    except cv2.error as error:
        raise ImageError(f"it cannot be decoded: {str(error).strip().splitlines()[-1]}") from None
    if image is None or not image.size:
        raise ImageError("it is damaged: OpenCV cannot decode it")
    return read_only(image)
