"""Pages with a part that a command writes: what stands between two marks is replaced, the rest is people's."""

from __future__ import annotations

import re
from pathlib import Path

from linecore.errors import ConfigError


def write_marked(page: Path, command: str, text: str) -> None:
    """Put *text* between ``<!-- COMMAND -->`` and ``<!-- end of COMMAND -->`` of a Markdown page.

    Raises:
        ConfigError: the page is not there, or lacks these lines.
    """
    begin, end = f"<!-- {command} -->", f"<!-- end of {command} -->"
    written = page.read_text(encoding="utf-8") if page.is_file() else ""
    if begin not in written or end not in written:
        raise ConfigError(f"{page} has no lines {begin} and {end}; write them where the figures belong")
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(marked.sub(lambda _: f"{begin}\n{text}\n{end}", written, count=1), encoding="utf-8")
