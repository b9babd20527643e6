from __future__ import annotations

from linecore.clock import SystemClock
from linecore.framing import STREAMS, Framing
from linecore.inspection import Part


def test_gaps_in_a_sources_own_numbers_are_told_and_repeats_and_restarts_are_not() -> None:
    told: list[tuple[str, str, int, int]] = []
    framing = Framing("mill", SystemClock(), lambda *gap: told.append(gap))

    def offer(stream: str, *numbers: int) -> None:
        for number in numbers:
            framing.frame(
                "zmq",
                f"{stream}/{number}",
                image=None,
                encoded=b"",
                captured_at=None,
                part=Part(),
                origin=None,
                truth=None,
                sequence=number,
                stream=stream,
            )

    offer("left", 5, 6, 6, 5, 7)
    offer("right", 1, 4)
    offer("left", 9)
    offer("left", 0, 1)
    assert told == [("zmq", "right", 2, 4), ("zmq", "left", 8, 9)]
    for number in range(STREAMS):
        offer(f"stream {number}", 0)
    assert len(framing._next) == STREAMS
