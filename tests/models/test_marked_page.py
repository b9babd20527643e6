from __future__ import annotations

from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_models.marked_page import write_marked

BEGIN, END = "<!-- make bench -->", "<!-- end of make bench -->"


def test_what_stands_between_the_marks_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Speed\n\n{BEGIN}\nold\n{END}\n\nMore.\n")
    write_marked(page, "make bench", r"new \1")
    assert page.read_text() == f"# Speed\n\n{BEGIN}\nnew \\1\n{END}\n\nMore.\n"


def test_a_page_without_its_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    for text in (None, "# Speed\n", f"{BEGIN}\n"):
        if text is not None:
            page.write_text(text)
        with pytest.raises(ConfigError, match=r"benchmarks\.md has no lines <!-- make bench --> and"):
            write_marked(page, "make bench", "new")
