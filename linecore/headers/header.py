"""What a header tells, and how large an image may be."""

from __future__ import annotations

from dataclasses import dataclass

from linecore.errors import ImageError

MAX_PIXELS = 16_384 * 8_192
"""134 megapixels: four times a line-scan frame of 8k x 4k."""

MAX_SIDE = 65_535
"""Pixels of a side: what a JPEG, and a raw frame on the wire, can say."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an image before it is decoded."""

    width: int  # pixels, as they are stored: before *orientation* is applied
    height: int
    orientation: int = 1  # as EXIF and TIFF number it, 1 (upright) to 8
    channels: int = 3  # colours as stored: 1 grey, 3, or 4 for the inks of print


def check_size(name: str, width: int, height: int) -> None:
    """Refuse an image without pixels, and one with too many.

    Raises:
        ImageError: a side is 0 or beyond 65,535 pixels, or there are more than 134 megapixels.
    """
    if width <= 0 or height <= 0:
        raise ImageError(f"the {name} says that it has {width} x {height} pixels, which is no image")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise ImageError(f"the {name} has {width} x {height} pixels, the limit is {MAX_SIDE} a side")
    if width * height > MAX_PIXELS:
        raise ImageError(f"the {name} has {width} x {height} pixels, the limit is {MAX_PIXELS} in all")


def check_room(name: str, header: Header, stored: int, needed: int, at_most: int) -> None:
    """Refuse a file that cannot hold its pixels: none of *stored* bytes unpacks to more than *at_most* of *needed*.

    Raises:
        ImageError: the file was cut off, or its header is wrong.
    """
    if stored * at_most < needed:
        size = f"{header.width} x {header.height}"
        raise ImageError(f"the {name} has {stored} bytes of pixels, too few for {size}: it was cut off")
