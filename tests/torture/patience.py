"""Waiting for what must happen, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

LOOK_EVERY_S = 0.02


def becomes_true(condition: Callable[[], bool], timeout_s: float, *, every_s: float = LOOK_EVERY_S) -> bool:
    """Look at *condition* until it holds or *timeout_s* have gone by; say whether it holds."""
    pause, until = Event(), time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= until:
            return False
        pause.wait(every_s)
    return True


def stands_still(value: Callable[[], int], wanted: int, still_s: float, timeout_s: float) -> int:
    """Wait until *value* reaches *wanted*, or has not changed for *still_s* seconds; return the last value."""
    last, changed = value(), time.monotonic()

    def settled() -> bool:
        nonlocal last, changed
        now = value()
        if now != last:
            last, changed = now, time.monotonic()
        return last >= wanted or time.monotonic() - changed >= still_s

    becomes_true(settled, timeout_s, every_s=0.1)
    return last
