"""Where everything is published: ``linecore/v1/{site}/{area}/{line}/...``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator

ROOT = "linecore/v1"
LONGEST = 200  # characters of a level


def _is_one_level(value: str) -> str:
    if not value.strip() or len(value) > LONGEST or not value.isprintable() or set("+#/") & set(value):
        raise ValueError(
            f"it must be one level of a topic: 1 to {LONGEST} printable characters, and no '/', '+' or '#' among them"
        )
    return value


Level = Annotated[str, AfterValidator(_is_one_level)]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one line."""

    site: str
    area: str
    line: str

    @property
    def available(self) -> str:
        """``online`` or ``offline``."""
        return self._of(self.line, "available")

    @property
    def state(self) -> str:
        """How the line is."""
        return self._of(self.line, "state")

    @property
    def stats(self) -> str:
        """What the line has counted."""
        return self._of(self.line, "stats")

    def inspection(self, line: str) -> str:
        """Return the topic of inspections: of frames of the line *line*, which another machine may have captured."""
        return self._of(line, "inspection")

    def alarm(self, alarm_id: str) -> str:
        """Return the topic of one occurrence of an alarm: its id without the line, percent-encoded to one level."""
        return self._of(self.line, f"alarm/{quote(alarm_id.removeprefix(f'{self.line}/'), safe='')}")

    def _of(self, line: str, what: str) -> str:
        return f"{ROOT}/{self.site}/{self.area}/{line}/{what}"
