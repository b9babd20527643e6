import random

from linecore.backoff import FIRST_S, LAST_S, wait_s


def test_waiting_doubles_from_half_to_all_of_its_ceiling_and_has_an_end() -> None:
    jitter = random.Random(1)
    for attempt, ceiling in ((1, FIRST_S), (2, 2 * FIRST_S), (5, 16 * FIRST_S), (40, LAST_S), (10_000, LAST_S)):
        waits = [wait_s(attempt, jitter) for _ in range(200)]
        assert ceiling / 2 <= min(waits) < max(waits) <= ceiling
