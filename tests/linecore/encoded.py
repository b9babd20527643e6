"""Image files as cameras, programs and attackers write them, byte by byte where no library would."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from linecore.inspection import Image

_RANDOM = np.random.default_rng(4)
GREY: Image = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
COLOUR: Image = np.dstack([GREY, GREY, 255 - GREY])  # BGR
NOISE: Image = _RANDOM.integers(0, 256, (48, 64), np.uint8)
DEEP = _RANDOM.integers(0, 65_536, (48, 64), np.uint16)
DEEP_COLOUR = _RANDOM.integers(0, 65_536, (48, 64, 3), np.uint16)  # RGB

Tags = dict[int, Sequence[int] | int | None]
Order = Literal["<", ">"]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def by_pillow(pixels: Pixels, form: str, mode: str | None = None, **options: Any) -> bytes:
    """Encode grey, RGB or RGBA pixels by another library than those that decode."""
    picture = Picture.fromarray(pixels)
    written = io.BytesIO()
    (picture if mode is None else picture.convert(mode)).save(written, form, **options)
    return written.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 0, packed: bytes | None = None, more: bytes = b""
) -> bytes:
    """Write a PNG with *packed* as its zlib stream (black pixels), and *more* chunks before it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = zlib.compress(bytes((width + 1) * height)) if packed is None else packed
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def bmp(width: int, height: int, *, bits: int = 24, packing: int = 0, version: int = 40, pixels: bytes = b"") -> bytes:
    """Write a BMP of any version; its palette, where it has one, is black."""
    if version == 12:
        header = struct.pack("<IHHHH", version, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", version, width, height, 1, bits, packing, len(pixels), 0, 0, 0, 0)
    if packing == 3:
        header += struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    header = header.ljust(version, b"\0")
    palette = bytes((3 if version == 12 else 4) * 2**bits) if bits <= 8 else b""
    begin = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", begin + len(pixels), 0, 0, begin) + header + palette + pixels


def tiff(
    pixels: Pixels | None,
    *,
    tags: Tags | None = None,
    order: Order = "<",
    tile: int = 0,
    rows: int = 0,
    packed: bool = False,
    predict: bool = False,
    pages: int = 1,
    following: int = 0,
) -> bytes:
    """Write a TIFF of grey or RGB pixels, HxW or HxWxN; *tags* go over those that are right, None leaves one out."""
    if pixels is None:
        pixels = np.zeros((8, 8), np.uint8)
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    parts = [_packed(part, order, packed, predict) for part in _parts(pixels, tile, rows or height)]
    starts = [8 + sum(map(len, parts[:number])) for number in range(len(parts))]
    found: Tags = {
        256: width,
        257: height,
        258: [pixels.dtype.itemsize * 8] * samples,
        259: 8 if packed else 1,
        262: 1 if samples <= 2 else 2,
        277: samples,
        **({322: tile, 323: tile, 324: starts} if tile else {273: starts, 278: rows or height}),
        (325 if tile else 279): [len(part) for part in parts],
        **({317: 2} if predict else {}),
        **(tags or {}),
    }
    values = {tag: [one] if isinstance(one, int) else list(one) for tag, one in found.items() if one is not None}
    body = b"".join(parts)
    directories = b""
    for page in range(pages):
        last = page == pages - 1
        directories += _directory(values, 8 + len(body) + len(directories), order, None if last else 0, following)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8 + len(body)) + body + directories


def _directory(values: dict[int, list[int]], at: int, order: str, following: int | None, end: int) -> bytes:
    size = 2 + 12 * len(values) + 4
    entries, behind = b"", b""
    for tag, numbers in sorted(values.items()):
        content = struct.pack(f"{order}{len(numbers)}I", *numbers)
        entries += struct.pack(order + "HHI", tag, 4, len(numbers))
        if len(numbers) == 1:
            entries += content
        else:
            entries += struct.pack(order + "I", at + size + len(behind))
            behind += content
    following = end if following is None else at + size + len(behind)
    return struct.pack(order + "H", len(values)) + entries + struct.pack(order + "I", following) + behind


def _parts(pixels: Pixels, tile: int, rows: int) -> Iterable[Pixels]:
    if not tile:
        yield from (pixels[top : top + rows] for top in range(0, pixels.shape[0], rows))
        return
    for top in range(0, pixels.shape[0], tile):
        for left in range(0, pixels.shape[1], tile):
            part = pixels[top : top + tile, left : left + tile]
            padded = np.zeros((tile, tile, *part.shape[2:]), part.dtype)
            padded[: part.shape[0], : part.shape[1]] = part
            yield padded


def _packed(part: Pixels, order: Order, packed: bool, predict: bool) -> bytes:
    if predict:
        part = np.diff(part, axis=1, prepend=part[:, :1] * 0)
    content = part.astype(part.dtype.newbyteorder(order)).tobytes()
    return zlib.compress(content) if packed else content
