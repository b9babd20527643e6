"""docs/history.md names what there is."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, Table

from linecore.inspection import Part
from linecore_db.recording import record
from linecore_db.schema import Base
from tests.db.inspections import inspection

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=str)
def test_every_table_and_column_is_documented(table: Table) -> None:
    assert f"**`{table.name}`**" in PAGE
    assert [column.name for column in table.columns if column.name not in NAMED] == []


def test_the_python_of_the_page_runs(sqlite_history: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    record(sqlite_history, [inspection(captured_at=now, part=Part(coil="C-4711"))])
    monkeypatch.chdir(Path(str(sqlite_history.url.database)).parent)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(code, names)
    assert names["boxes"] == [(0, 0, 2, 3)]
