"""BMP: reads the header of each version that is still written."""

from __future__ import annotations

from linecore.errors import ImageError
from linecore.headers.header import Header, check_size

_VERSIONS = (40, 52, 56, 108, 124)  # bytes; that of OS/2, of 12, is misread by OpenCV
_RGB, _RLE8, _RLE4, _BITFIELDS = range(4)
_MASKS = {  # of red, green and blue; OpenCV passes over others
    16: ((0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)),
    32: ((0xFF0000, 0xFF00, 0xFF),),
}
_BITS = {_RGB: (1, 4, 8, 16, 24, 32), _BITFIELDS: (16, 32)}


def read_bmp(encoded: bytes) -> Header:
    """Read the size and see that all rows are there.

    Raises:
        ImageError: it is too large, was cut off, or is packed: run lengths can leave pixels out.
    """
    version = int.from_bytes(encoded[14:18], "little")
    if len(encoded) < 14 + 40:
        raise ImageError("the BMP ends within its header: it was cut off")
    if version not in _VERSIONS:
        raise ImageError(f"the BMP has a header of {version} bytes; a line takes {', '.join(map(str, _VERSIONS))}")
    width = int.from_bytes(encoded[18:22], "little", signed=True)
    height = int.from_bytes(encoded[22:26], "little", signed=True)
    check_size("BMP", width, abs(height))  # a height below zero says that the rows come from the top
    bits, packing = int.from_bytes(encoded[28:30], "little"), int.from_bytes(encoded[30:34], "little")
    if packing not in _BITS:
        raise ImageError(f"the BMP is packed (compression {packing}); a line takes BMP files without compression")
    if bits not in _BITS[packing]:
        raise ImageError(f"the BMP has {bits} bits a pixel; a line takes {', '.join(map(str, _BITS[packing]))}")
    masks = tuple(int.from_bytes(encoded[at : at + 4], "little") for at in (54, 58, 62))
    if packing == _BITFIELDS and masks not in _MASKS[bits]:
        raise ImageError("the BMP has its colours at bits of a pixel where a line does not look for them")
    begin = int.from_bytes(encoded[10:14], "little")
    if begin < 14 + version:
        raise ImageError(f"the BMP says that its pixels begin at byte {begin}, within its header")
    needed = begin + (width * bits + 31) // 32 * 4 * abs(height)
    if len(encoded) < needed:
        raise ImageError(f"the BMP has {len(encoded)} of the {needed} bytes that its pixels need: it was cut off")
    return Header(width, abs(height))
