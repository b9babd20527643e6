"""How a database would find the answer to a query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.sql import ClauseElement

WHOLE_TABLE = ("SCAN inspection", "SCAN tally", "SCAN region", "SCAN evidence", "Seq Scan")


@dataclass(frozen=True, slots=True)
class Plan:
    """What EXPLAIN says."""

    text: str

    @property
    def uses_an_index(self) -> bool:
        """Whether no table is read as a whole."""
        steps = self.text.splitlines()
        return not any(whole in step and "USING" not in step for step in steps for whole in WHOLE_TABLE)


def plan_of(engine: Engine, query: ClauseElement) -> Plan:
    """Ask for the plan of a query, with its values."""
    sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    explain, column = ("EXPLAIN QUERY PLAN", 3) if engine.dialect.name == "sqlite" else ("EXPLAIN", 0)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {sql}".replace("%", "%%"))
        return Plan("\n".join(str(row[column]) for row in rows))
