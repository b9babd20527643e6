"""PNG: reads IHDR, and walks the chunks without unpacking them."""

from __future__ import annotations

from collections.abc import Iterator

from linecore.errors import ImageError
from linecore.headers.directory import exif_orientation
from linecore.headers.header import Header, check_room, check_size

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # of each colour type
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE, _GREY = 3, (0, 4)
_MAX_CHUNKS = 32_768  # of 64 MiB in chunks of 8 KiB, as encoders write them, there are 8,192
_DEFLATE = 1_032  # bytes that zlib unpacks from one, at most


def read_png(encoded: bytes) -> Header:
    """Read the size, the channels and the orientation.

    Raises:
        ImageError: it was cut off, it is too large, it is animated, or its pixels do not fit into its data.
    """
    header: bytes | None = None
    stored = 0
    orientation = 1
    grey_palette = False
    for name, start, end in _chunks(encoded):
        if header is None:
            header = encoded[start:end]
            if name != b"IHDR" or len(header) != 13:
                raise ImageError("the PNG does not begin with its header")
            check_size("PNG", int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big"))
        elif name == b"IDAT":
            stored += end - start
        elif name == b"PLTE":
            palette = encoded[start:end]
            grey_palette = palette[::3] == palette[1::3] == palette[2::3]
        elif name == b"eXIf":
            orientation = exif_orientation(encoded[start:end])
        elif name == b"acTL" and (frames := int.from_bytes(encoded[start : start + 4], "big")) != 1:
            raise ImageError(f"the PNG is animated: it has {frames} frames, and a line takes one")
        elif name == b"IEND":
            return _header(header, stored, orientation, grey_palette)
    raise ImageError("the PNG ends before its IEND chunk: it was cut off")


def _chunks(encoded: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    for _ in range(_MAX_CHUNKS):
        start = at + 8
        if start > len(encoded):
            return
        end = start + int.from_bytes(encoded[at : at + 4], "big")
        if end + 4 > len(encoded):
            return
        yield encoded[at + 4 : start], start, end
        at = end + 4
    raise ImageError(f"the PNG has more than {_MAX_CHUNKS} chunks")


def _header(header: bytes, stored: int, orientation: int, grey_palette: bool) -> Header:
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colour = header[8], header[9]
    if depth not in _DEPTHS.get(colour, ()):
        raise ImageError(f"the PNG has {depth} bits a sample of colour type {colour}, which the format does not know")
    unpacked = height * (1 + (width * _SAMPLES[colour] * depth + 7) // 8)
    grey = colour in _GREY or (colour == _PALETTE and grey_palette)
    read = Header(width, height, orientation, 1 if grey else 3)
    check_room("PNG", read, stored, unpacked, _DEFLATE)
    return read
