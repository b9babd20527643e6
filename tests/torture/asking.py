"""How long a history takes to answer, cold and warm, and how it finds the answer."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from linecore_db.queries import HistoryFilter, count, find, select_counts, select_page
from tests.db.plans import plan_of
from tests.torture.filled import Database, newest_and_rows
from tests.torture.filling import DAYS, LINES

COLD, WARM = 7, 60


@dataclass(frozen=True, slots=True)
class Times:
    """What one question took, in milliseconds."""

    what: str
    cold: tuple[float, ...]
    warm: tuple[float, ...]


def questions(newest: datetime, rows: int, chance: random.Random) -> dict[str, Callable[[Engine], None]]:
    """Return the three questions; each asks for something else every time."""

    def moment() -> datetime:
        return newest - timedelta(seconds=chance.uniform(0, (DAYS - 8) * 86_400))

    def last_hour(engine: Engine) -> None:
        line, until = f"hot-strip-{chance.randint(1, LINES)}", moment()
        wanted = HistoryFilter(line=line, since=until - timedelta(hours=1), until=until)
        assert list(find(engine, wanted)), "a line never rests"

    def pareto(engine: Engine) -> None:
        until = moment()
        assert count(engine, HistoryFilter(since=until - timedelta(days=7), until=until))

    def one_frame(engine: Engine) -> None:
        number = 100_000_000 + chance.randrange(rows // (2 * LINES))
        (_,) = find(engine, HistoryFilter(frame_id=f"hot-strip-1/top/{number}"))

    return {"an hour of a line": last_hour, "Pareto of a week": pareto, "one frame by id": one_frame}


def measured(database: Database, seed: int = 1) -> list[Times]:
    """Ask each question cold and warm."""
    engine = database.open()
    newest, rows = newest_and_rows(engine)
    engine.dispose()
    gc.freeze()  # as `linecore history` does
    times = []
    for what, ask in questions(newest, rows, random.Random(seed)).items():
        cold = []
        for _ in range(COLD):
            database.forget()
            engine = database.open()
            cold.append(_took_ms(ask, engine))
            engine.dispose()
        engine = database.open()
        warm = [_took_ms(ask, engine) for _ in range(WARM)]
        engine.dispose()
        times.append(Times(what, tuple(cold), tuple(warm)))
    return times


def plans(database: Database) -> dict[str, str]:
    """Return how the database finds each answer, and make sure that it never reads a whole table."""
    engine = database.open()
    newest, _ = newest_and_rows(engine)
    hour = HistoryFilter(line="hot-strip-1", since=newest - timedelta(hours=1))
    week = HistoryFilter(since=newest - timedelta(days=7))
    asked = {
        "an hour of a line": select_page(hour, 1000),
        "Pareto of a week": select_counts(week),
        "one frame by id": select_page(HistoryFilter(frame_id="hot-strip-1/top/100000007"), 1000),
    }
    found = {what: plan_of(engine, query) for what, query in asked.items()}
    engine.dispose()
    for what, plan in found.items():
        assert plan.uses_an_index, f"{database.name}, {what}: {plan.text}"
    return {what: plan.text for what, plan in found.items()}


def _took_ms(ask: Callable[[Engine], None], engine: Engine) -> float:
    began = time.perf_counter()
    ask(engine)
    return (time.perf_counter() - began) * 1000
