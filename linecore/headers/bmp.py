"""BMP: reads the header of each version that is still written."""

from __future__ import annotations

from linecore.errors import ImageError
from linecore.headers.header import Header, check_size

_CORE = 12  # bytes of the OS/2 header; the others are longer, and alike in what counts here
_VERSIONS = (_CORE, 40, 52, 56, 108, 124)
_RGB, _RLE8, _RLE4, _BITFIELDS = range(4)
_BITS = {_RGB: (1, 4, 8, 16, 24, 32), _BITFIELDS: (16, 32)}


def read_bmp(encoded: bytes) -> Header:
    """Read the size and see that all rows are there.

    Raises:
        ImageError: it is too large, was cut off, or is packed: run lengths can leave pixels out.
    """
    version = int.from_bytes(encoded[14:18], "little")
    if len(encoded) < 14 + max(version, _CORE):
        raise ImageError("the BMP ends within its header: it was cut off")
    if version not in _VERSIONS:
        raise ImageError(f"the BMP has a header of {version} bytes; a line takes {', '.join(map(str, _VERSIONS))}")
    wide = 2 if version == _CORE else 4
    width = int.from_bytes(encoded[18 : 18 + wide], "little", signed=wide == 4)
    height = int.from_bytes(encoded[18 + wide : 18 + 2 * wide], "little", signed=wide == 4)
    check_size("BMP", width, abs(height))  # a height below zero says that the rows come from the top
    bits = int.from_bytes(encoded[20 + 2 * wide : 22 + 2 * wide], "little")
    packing = _RGB if version == _CORE else int.from_bytes(encoded[30:34], "little")
    if packing not in _BITS:
        raise ImageError(f"the BMP is packed (compression {packing}); a line takes BMP files without compression")
    if bits not in _BITS[packing]:
        raise ImageError(f"the BMP has {bits} bits a pixel; a line takes {', '.join(map(str, _BITS[packing]))}")
    begin = int.from_bytes(encoded[10:14], "little")
    if begin < 14 + version:
        raise ImageError(f"the BMP says that its pixels begin at byte {begin}, within its header")
    needed = begin + (width * bits + 31) // 32 * 4 * abs(height)
    if len(encoded) < needed:
        raise ImageError(f"the BMP has {len(encoded)} of the {needed} bytes that its pixels need: it was cut off")
    return Header(width, abs(height))
