"""Sources are told in order, by a thread that outlives whatever they do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from threading import Event as Flag

import pytest

from linecore.inspection import Frame
from linecore.ledger import RECORDED, Outcome
from linecore.settling import BACKLOG, Settling
from linecore.testing import PATIENCE_S, grey
from linecore.turns import TurnTimeoutError


class Own(BaseException):
    """What nobody expects."""


def frame(number: int) -> Frame:
    return Frame(str(number), "test", "camera", number, datetime.now(UTC), grey())


@pytest.mark.parametrize(
    "error", [OSError("no"), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), Own()]
)
def test_whatever_a_source_raises_the_next_frame_is_settled(error: BaseException) -> None:
    told, failed = list[str](), list[BaseException]()

    def settle(one: Frame, _outcome: Outcome) -> None:
        told.append(one.id)
        if one.id == "1":
            raise error

    settling = Settling("camera", settle, timeout_s=PATIENCE_S, failed=lambda *what: failed.append(what[2]))
    for number in range(4):
        settling.put(frame(number), RECORDED)
    settling.close(PATIENCE_S)
    assert told == ["0", "1", "2", "3"]
    assert failed == [error]


def test_one_that_hangs_is_given_up_and_the_next_ones_are_told() -> None:
    told, failed, go = list[str](), list[BaseException](), Flag()

    def settle(one: Frame, _outcome: Outcome) -> None:
        if one.id == "1":
            while not go.wait(0.005):
                pass
        told.append(one.id)

    settling = Settling("camera", settle, timeout_s=0.5, failed=lambda *what: failed.append(what[2]))
    for number in range(4):
        settling.put(frame(number), RECORDED)
    settling.close(PATIENCE_S)
    go.set()
    assert told == ["0", "2", "3"]
    assert [type(one) for one in failed] == [TurnTimeoutError]


def test_a_source_that_takes_no_note_gets_no_more_in_and_no_pixels_are_kept_for_it() -> None:
    entered, go, seen = Flag(), Flag(), list[int]()

    def settle(one: Frame, _outcome: Outcome) -> None:
        entered.set()
        assert go.wait(PATIENCE_S)
        seen.append(one.nbytes)

    settling = Settling("camera", settle, timeout_s=PATIENCE_S, failed=lambda *_: None)
    for number in range(BACKLOG):
        settling.put(frame(number), RECORDED)
    assert entered.wait(PATIENCE_S)
    assert not settling.wait_for_room(0)
    go.set()
    assert settling.wait_for_room(PATIENCE_S)
    settling.close(PATIENCE_S)
    assert seen == [0] * BACKLOG
