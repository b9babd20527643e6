"""Directories of tags, as TIFF files and EXIF data have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linecore.errors import ImageError

ORIENTATION = 274

_MAX_DIRECTORIES = 64
_MAX_TAGS = 1_000  # of a directory
_SIZES: Mapping[int, str] = {1: "u1", 3: "u2", 4: "u4", 13: "u4"}  # of whole numbers; other types say nothing of pixels

Numbers = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory: where the numbers of each tag lie in *content*."""

    content: bytes
    order: str  # "<" or ">"
    entries: Mapping[int, tuple[int, int, int]]  # tag -> type, count, offset of the value

    def numbers(self, tag: int) -> Numbers | None:
        """Return the whole numbers of a tag; None where it is missing or of another type.

        Raises:
            ImageError: they lie outside of the file.
        """
        if tag not in self.entries:
            return None
        kind, count, offset = self.entries[tag]
        if kind not in _SIZES:
            return None
        dtype = np.dtype(f"{self.order}{_SIZES[kind]}")
        if count == 0 or offset + count * dtype.itemsize > len(self.content):
            raise ImageError(f"its tag {tag} has {count} values at byte {offset}, beyond the end of the file")
        return np.frombuffer(self.content, dtype, count, offset)

    def number(self, tag: int, default: int | None = None) -> int | None:
        """Return the first number of a tag, or *default*.

        Raises:
            ImageError: it lies outside of the file.
        """
        found = self.numbers(tag)
        return default if found is None else int(found[0])


def directories(content: bytes) -> Iterator[Directory]:
    """Yield the directories of a TIFF file or of EXIF data, each once.

    Raises:
        ImageError: one lies outside of the file, they go round in a circle, or there are too many.
    """
    order = "<" if content[:2] == b"II" else ">"
    offset = _number(content, 4, 4, order)
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise ImageError("its directories go round in a circle")
        if len(seen) == _MAX_DIRECTORIES:
            raise ImageError(f"it has more than {_MAX_DIRECTORIES} directories")
        seen.add(offset)
        count = _number(content, offset, 2, order)
        if count > _MAX_TAGS:
            raise ImageError(f"a directory of it has {count} tags, the limit is {_MAX_TAGS}")
        end = offset + 2 + count * 12
        entries = {}
        for at in range(offset + 2, end, 12):
            tag, kind = _number(content, at, 2, order), _number(content, at + 2, 2, order)
            values = _number(content, at + 4, 4, order)
            within = values * np.dtype(_SIZES.get(kind, "u8")).itemsize <= 4
            entries[tag] = (kind, values, at + 8 if within else _number(content, at + 8, 4, order))
        yield Directory(content, order, entries)
        offset = _number(content, end, 4, order)


def exif_orientation(exif: bytes) -> int:
    """Return the orientation that EXIF data tell, 1 to 8; 1 where they tell none, or are damaged."""
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    try:
        first = next(directories(exif), None)
        found = None if first is None else first.number(ORIENTATION)
    except ImageError:
        return 1
    return found if found is not None and 1 <= found <= 8 else 1


def _number(content: bytes, offset: int, size: int, order: str) -> int:
    if offset + size > len(content):
        raise ImageError(f"its directory lies at byte {offset}, beyond the end of the file: it was cut off")
    return int.from_bytes(content[offset : offset + size], "little" if order == "<" else "big")
