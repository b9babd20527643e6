"""How long to wait before trying again.

Waiting grows exponentially with jitter ("equal jitter" in Brooker, "Exponential Backoff And Jitter", AWS Architecture
Blog 2015), so that the sinks of many lines do not knock at a recovering server at once.
"""

from __future__ import annotations

import random

FIRST_S = 0.1
LAST_S = 30.0


def wait_s(attempt: int, jitter: random.Random) -> float:
    """Return the seconds to wait after *attempt* failures in a row, from half of the doubled time to all of it."""
    ceiling = min(LAST_S, FIRST_S * 2.0 ** min(attempt - 1, 30))
    return jitter.uniform(ceiling / 2, ceiling)
