"""Text that comes from outside: names of files, ids of senders."""

from __future__ import annotations

import os
import re


def printable(text: str | os.PathLike[str]) -> str:
    """Return a name as one line of plain text: it may hold newlines, terminal commands and bytes of no encoding."""
    text = os.fspath(text)
    if text.isprintable():
        return text
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def natural(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts ``strip_9`` before ``strip_10``."""
    parts = re.split(r"([0-9]+)", text)
    return [(int(part), "") if at % 2 else (-1, part) for at, part in enumerate(parts)]
