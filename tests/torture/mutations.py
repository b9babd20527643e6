"""Ways to damage bytes, and to write what nobody should: each input follows from its number alone."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from linecore_plugins.zmq.header import Header

Mutation = Callable[[Random, bytearray, bytes], None]
"""Changes bytes in place; the third is another right input, for splicing."""

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADERS = (32, 160, 700)  # bytes at the beginning in which formats say what they are


def _flip(random: Random, data: bytearray, _: bytes) -> None:
    for _bit in range(random.choice((1, 1, 2, 8, 64))):
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _truncate(random: Random, data: bytearray, _: bytes) -> None:
    del data[random.randrange(len(data) + 1) :]


def _splice(random: Random, data: bytearray, other: bytes) -> None:
    data[random.randrange(len(data) + 1) :] = other[random.randrange(len(other) + 1) :]


def _repeat(random: Random, data: bytearray, _: bytes) -> None:
    begin = random.randrange(len(data) + 1)
    block = data[begin : begin + random.choice((1, 4, 12, 64, 1024))]
    data[begin:begin] = block * random.choice((1, 2, 16, 200))


def _blank(random: Random, data: bytearray, _: bytes) -> None:
    begin = random.randrange(len(data) + 1)
    block = data[begin : begin + random.choice((1, 4, 64, 1024))]
    data[begin : begin + len(block)] = bytes([random.choice((0, 0xFF, 0x20))]) * len(block)


def _remove(random: Random, data: bytearray, _: bytes) -> None:
    begin = random.randrange(len(data) + 1)
    del data[begin : begin + random.choice((1, 2, 4, 12, 64, 1024))]


def _append(random: Random, data: bytearray, other: bytes) -> None:
    data += random.choice((bytes(5000), other, random.randbytes(300)))


def _extreme(random: Random, data: bytearray, _: bytes) -> None:
    """Write a number that nobody expects where a header has one."""
    form = random.choice(("B", "<H", ">H", "<I", ">I"))
    size = struct.calcsize(form)
    reach = min(len(data), random.choice((*_HEADERS, len(data))))
    if reach >= size:
        number = random.choice(_EXTREMES) & (2 ** (8 * size) - 1)
        struct.pack_into(form, data, random.randrange(reach - size + 1), number)


def _tag(random: Random, data: bytearray, other: bytes) -> None:
    """Give a tag of a TIFF another meaning, type, count or value; its directory may lie anywhere."""
    order = "<" if data.startswith(b"II*\0") else ">"
    directory = struct.unpack_from(order + "I", data, 4)[0] if len(data) >= 8 else len(data)
    tags = struct.unpack_from(order + "H", data, directory)[0] if directory + 2 <= len(data) else 0
    place = directory + 2 + 12 * random.randrange(tags + 1)  # the last is the place of the next directory
    if not data.startswith((b"II*\0", b"MM\0*")) or place + 12 > len(data):
        _extreme(random, data, other)
        return
    form, at = random.choice((("H", 0), ("H", 2), ("I", 4), ("I", 8), ("I", 8), ("H", 8)))
    number = random.choice((*_EXTREMES, random.randrange(20), 256 + random.randrange(84)))
    struct.pack_into(order + form, data, place + at, number & (2 ** (8 * struct.calcsize(form)) - 1))


BYTES: Sequence[Mutation] = (
    _flip,
    _truncate,
    _splice,
    _repeat,
    _blank,
    _remove,
    _append,
    _extreme,
    _extreme,
    _tag,
    _tag,
)


def image(number: int, seeds: Sequence[bytes]) -> bytes:
    """Return mutated image *number*."""
    random = Random(f"image {number}")
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice(BYTES)(random, data, random.choice(seeds))
    if random.random() < 0.7:
        _right_checksums(data)  # else next to no PNG would get beyond them
    return bytes(data)


def _right_checksums(data: bytearray) -> None:
    place = 8
    while data.startswith(b"\x89PNG") and place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4


_VALUES: Sequence[Any] = (
    None, True, 0, -1, 1, 2, 1.5, 1e308, float("nan"), float("inf"), 2**31, 2**63, 2**64, 10**400, "", "a", "a" * 161,
    "raw", "png", "gif", "uint8", "float64", "\n", "\0", "\ud800", "é" * 200, "2026-13-45T99:99:99Z",
    "2026-01-02T12:00:00", [],
    [0, 0], [1, 1], [65535, 65535], [65535, 65535, 3], [-1, 9216], [96, 96, 1], [9216], [[96], 96], {}, {"a": {}},
    {"coil": 7}, {"metre": "x"}, {"serial": "x" * 201}, [1] * 3000,
)  # fmt: skip
_KEYS = (*Header.model_fields, "more", "", "\n", "__proto__")


def message(number: int, seeds: Sequence[Sequence[bytes]], *, as_new: bool = False) -> list[bytes]:
    """Return the parts of mutated message *number*; *as_new* gives most of them an id of their own."""
    random = Random(f"message {number}")
    parts = list(random.choice(seeds))
    if as_new and random.random() < 0.7:
        parts[0] = json.dumps({**json.loads(parts[0]), "id": str(number)}).encode()
    for _ in range(random.choice((1, 1, 2, 3))):
        kind = random.random()
        if kind < 0.4:
            parts[0] = _header(random, parts[0])
        elif kind < 0.75:
            at = random.randrange(len(parts))
            data = bytearray(parts[at])
            random.choice(BYTES)(random, data, random.choice(random.choice(seeds)))
            parts[at] = bytes(data)
        else:
            parts = _parts(random, parts)
    return parts


def _header(random: Random, text: bytes) -> bytes:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(header, dict):
        return text
    kind = random.random()
    if kind < 0.1:
        return random.choice((b"[" * 60_000, b'{"a":' * 12_000, b"[" * 900 + b"]" * 900, b"\xef\xbb\xbf" + text))
    if kind < 0.2:
        return text[:-1] + b"," + text[1:]  # every key twice
    if kind < 0.3:
        return b" " * random.choice((10, 60_000, 70_000)) + text
    target = header["part"] if isinstance(header.get("part"), dict) and random.random() < 0.3 else header
    if random.random() < 0.3:
        target.pop(random.choice(_KEYS), None)
    else:
        target[random.choice(_KEYS)] = random.choice(_VALUES)
    return json.dumps(header).encode()


def _parts(random: Random, parts: list[bytes]) -> list[bytes]:
    return random.choice(
        (
            parts[:1],
            parts[1:],
            parts[::-1],
            [*parts, b""],
            [b"", *parts],
            [*parts, *parts],
            [parts[0], b""],
            [b""],
            [b"x"] * 100,
            [parts[0], bytes(random.choice((1, 9216, 9217, 300_000)))],
        )
    ) or [b""]
