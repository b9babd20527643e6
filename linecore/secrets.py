"""What ``${NAME}`` stood for must not come out again: not in a sentence, a log, an event or the history."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, quote_plus

NAMED = re.compile(r"\$\{(\w+)\}")
SHORTEST = 4  # characters; hiding a shorter one would hide half of every sentence


class Secrets:
    """Secrets of one line, and what is shown in their place.

    *values* are what to show, ``${NAME}``, by secret.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._shown: dict[str, str] = {}
        for secret, shown in values.items():
            for form in (secret, repr(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret)):
                if len(form) >= SHORTEST:
                    self._shown[form] = shown
        longest_first = sorted(self._shown, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __repr__(self) -> str:
        return f"Secrets({sorted(set(self._shown.values()))})"

    @classmethod
    def between(cls, written: object, filled: object) -> Secrets:
        """Find the secrets of a table: *filled* is *written* with each ``${NAME}`` replaced."""
        return cls(dict(_pairs(written, filled)))

    def hide(self, text: str) -> str:
        """Return *text* with ``${NAME}`` where a secret stood."""
        return self._pattern.sub(lambda found: self._shown[found[0]], text)


NO_SECRETS = Secrets({})


class HidingFormatter(logging.Formatter):
    """Formats log records as usual, tracebacks too, and hides what is secret."""

    def __init__(self, hide: Callable[[str], str], fmt: str | None = None) -> None:
        super().__init__(fmt)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return self._hide(super().format(record))


def _pairs(written: object, filled: object) -> Iterator[tuple[str, str]]:
    if isinstance(written, str) and isinstance(filled, str):
        names = NAMED.findall(written)
        # What stands around the names is known, so what stands for them can be read off, however it is put together.
        known = "(.*?)".join(re.escape(part) for part in NAMED.split(written)[::2])
        found = re.fullmatch(known, filled, re.DOTALL)
        for name, secret in zip(names, found.groups() if found else (), strict=False):
            yield secret, f"${{{name}}}"
    elif isinstance(written, Mapping) and isinstance(filled, Mapping):
        for key in written:
            yield from _pairs(written[key], filled.get(key))
    elif isinstance(written, list) and isinstance(filled, list):
        for one, other in zip(written, filled, strict=False):
            yield from _pairs(one, other)
