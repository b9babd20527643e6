"""Times on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import click


class Duration(click.ParamType[float]):
    """A time as people write it, "90s", "30m" or "1.5h"; in seconds."""

    name = "TIME"
    _SECONDS: ClassVar[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", str(value).strip())
        if not found or float(found[1]) == 0:
            self.fail(f"{value!r} is no time; write it like 90s, 30m or 1.5h", param, ctx)
        return float(found[1]) * self._SECONDS[found[2]]
