"""The image formats that a line takes, told by their content."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ImageFormat(StrEnum):
    """A format that :func:`linecore.decoding.decode` takes."""

    JPEG = "jpeg"
    PNG = "png"
    BMP = "bmp"
    TIFF = "tiff"


_SIGNATURES: Mapping[bytes, ImageFormat] = {
    b"\xff\xd8\xff": ImageFormat.JPEG,
    b"\x89PNG\r\n\x1a\n": ImageFormat.PNG,
    b"BM": ImageFormat.BMP,
    b"II*\0": ImageFormat.TIFF,
    b"MM\0*": ImageFormat.TIFF,
}

SUFFIXES: Mapping[ImageFormat, tuple[str, ...]] = {
    ImageFormat.JPEG: (".jpg", ".jpeg"),
    ImageFormat.PNG: (".png",),
    ImageFormat.BMP: (".bmp",),
    ImageFormat.TIFF: (".tif", ".tiff"),
}
"""What files of a format are called, the usual suffix first."""

IMAGE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)


def format_of(encoded: bytes) -> ImageFormat | None:
    """Return the format that the file's first bytes tell, or None where it is no image that a line takes."""
    return next((one for signature, one in _SIGNATURES.items() if encoded.startswith(signature)), None)
