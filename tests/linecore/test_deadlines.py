from __future__ import annotations

from datetime import UTC, datetime
from queue import SimpleQueue

from linecore.clock import SystemClock
from linecore.deadlines import Deadlines
from linecore.inspection import Frame
from linecore.intake import Arrival
from linecore.testing import PATIENCE_S


def arrival(name: str, due: float | None) -> Arrival:
    return Arrival(Frame(name, "test", "camera", 0, datetime.now(UTC)), 0.0, "camera", due)


def test_who_is_due_expires_in_order_unless_it_was_answered_or_is_gone() -> None:
    clock, expired = SystemClock(), SimpleQueue[str]()
    now = clock.monotonic()
    deadlines = Deadlines(clock, lambda one: expired.put(one.frame.id))
    kept = [arrival("second", now + 0.02), arrival("first", now + 0.01), arrival("never", None)]
    answered = arrival("answered", now)
    assert answered.answer()
    for one in (*kept, answered):
        deadlines.add(one)
    deadlines.add(arrival("done and forgotten", now))
    deadlines.start()
    assert [expired.get(timeout=PATIENCE_S) for _ in range(2)] == ["first", "second"]
    late = arrival("added while it sleeps", clock.monotonic())
    deadlines.add(late)
    assert expired.get(timeout=PATIENCE_S) == "added while it sleeps"
    deadlines.close(5)
    assert expired.empty()
