"""JPEG: walks the markers of the whole file."""

from __future__ import annotations

import re
from dataclasses import replace

from linecore.errors import ImageError
from linecore.headers.directory import exif_orientation
from linecore.headers.header import MAX_PIXELS, Header, check_room, check_size

_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = range(0xC0, 0xD0)
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, reserved, arithmetic conditioning
_TAKEN = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}
_MAX_SCANS = 100  # encoders write about ten; each is a pass over all pixels, and can have a few bytes
_MAX_WORK = 16 * MAX_PIXELS  # scans times pixels
_MAX_SEGMENTS = 10_000

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # more than one FF is filling
# Within a scan FF 00 is a stuffed byte, and D0 to D7 are restarts. Without a repetition, so that a file full of FF is
# searched in one pass.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_BLOCK = 64 * 8  # pixels that one byte can hold at most: a block of 8 x 8 takes one bit or more


def read_jpeg(encoded: bytes) -> Header:
    """Read the size, the channels and the orientation.

    Raises:
        ImageError: it is no JPEG that libjpeg's ordinary decoder takes, it was cut off, or it is too large.
    """
    header: Header | None = None
    orientation, scans, at = 1, 0, 2
    for _ in range(_MAX_SEGMENTS):
        marker, at = _next_marker(encoded, at)
        if marker == _EOI:
            break
        length = int.from_bytes(encoded[at : at + 2], "big")
        segment = encoded[at + 2 : at + length]
        if length < 2 or at + length > len(encoded):
            raise ImageError("the JPEG ends before its end marker: it was cut off")
        at += length
        if marker in _FRAMES and marker not in _NOT_FRAMES:
            if header is not None:
                raise ImageError("the JPEG is damaged: it has two frame headers")
            header = _frame(marker, segment)
            check_room("JPEG", header, len(encoded), header.width * header.height, _BLOCK)
        elif marker == _APP1 and segment.startswith(b"Exif\0\0"):
            orientation = exif_orientation(segment[6:])
        elif marker == _SOS:
            scans += 1
            if scans > _MAX_SCANS or (header and scans * header.width * header.height > _MAX_WORK):
                raise ImageError(f"the JPEG has {scans} scans or more, each a pass over all pixels")
            match = _END_OF_SCAN.search(encoded, at)
            if match is None:
                raise ImageError("the JPEG ends before its end marker: it was cut off")
            at = match.start()
    else:
        raise ImageError(f"the JPEG has more than {_MAX_SEGMENTS} segments")
    if header is None or not scans:
        raise ImageError("the JPEG ends before its pixels: it was cut off")
    return replace(header, orientation=orientation)


def _next_marker(encoded: bytes, at: int) -> tuple[int, int]:
    match = _MARKER.match(encoded, at)
    if match is None:
        where = "ends before its end marker: it was cut off" if at >= len(encoded) else f"is damaged at byte {at}"
        raise ImageError(f"the JPEG {where}")
    marker = match.group(1)[0]
    if marker < 0xC0 or marker in (_SOI, 0xC8):
        raise ImageError(f"the JPEG is damaged at byte {at}: marker {marker:#04x} does not belong there")
    return marker, match.end()


def _frame(marker: int, segment: bytes) -> Header:
    if marker not in _TAKEN:
        raise ImageError("the JPEG is lossless, hierarchical or arithmetic; a line takes baseline and progressive ones")
    if len(segment) < 6:
        raise ImageError("the JPEG is damaged: its frame header is too short")
    bits, channels = segment[0], segment[5]
    height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    check_size("JPEG", width, height)
    if bits != 8:
        raise ImageError(f"the JPEG has {bits} bits a sample; a line takes 8")
    if channels not in (1, 3, 4):
        raise ImageError(f"the JPEG has {channels} channels; a line takes 1, 3 or 4")
    return Header(width, height, channels=channels)
