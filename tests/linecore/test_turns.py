"""Turns end in time, whether the plugin returns or not."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import threading
from contextlib import suppress
from threading import Event as Flag

import pytest

from linecore.testing import PATIENCE_S
from linecore.turns import LEFT_BEHIND, Turns, TurnTimeoutError


def wait_until_none_is_behind(turns: Turns) -> None:
    with turns._returned:
        assert turns._returned.wait_for(lambda: not turns._behind, PATIENCE_S)


def test_a_call_is_made_and_what_it_raises_comes_out() -> None:
    turns, called = Turns("sink"), list[int]()
    turns.take(lambda: called.append(1), PATIENCE_S)
    assert called == [1]
    for error in (ValueError("no"), SystemExit(1), asyncio.CancelledError(), GeneratorExit()):

        def fail(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            turns.take(fail, PATIENCE_S)
    turns.take(lambda: called.append(2), PATIENCE_S)
    assert called == [1, 2]
    turns.close()


def test_all_calls_are_made_in_one_thread_as_long_as_they_return() -> None:
    turns, threads = Turns("sink"), set[int]()
    for _ in range(5):
        turns.take(lambda: threads.add(threading.get_ident()), PATIENCE_S)
    assert len(threads) == 1
    turns.close()


def test_an_endless_loop_is_really_ended() -> None:
    turns, ended = Turns("sink"), Flag()

    def loop() -> None:
        try:
            while True:
                pass
        finally:
            ended.set()

    with pytest.raises(TurnTimeoutError, match=r"it has not returned for 0\.05 s"):
        turns.take(loop, 0.05)
    assert ended.wait(PATIENCE_S)
    wait_until_none_is_behind(turns)
    turns.take(lambda: None, PATIENCE_S)
    turns.close()


def test_what_hangs_in_the_system_is_left_behind_up_to_a_limit_and_counted_until_it_returns() -> None:
    turns = Turns("sink")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(LEFT_BEHIND):
            with pytest.raises(TurnTimeoutError, match="it has not returned"):
                turns.take(lambda: select.select([ours], [], [], PATIENCE_S) and None, 0.02)
        assert turns.left_behind == LEFT_BEHIND
        called = Flag()
        with pytest.raises(TurnTimeoutError, match="3 earlier calls have not returned yet"):
            turns.take(called.set, 0.02)
        assert not called.is_set()
        theirs.send(b"x")
        turns.take(called.set, PATIENCE_S)
        assert called.is_set()
        wait_until_none_is_behind(turns)
    turns.close()


# It may also come in the middle of what the collector runs for somebody else, which Python reports and passes over.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_call_that_returns_in_the_moment_its_turn_ends_leaves_no_place_taken() -> None:
    """What is raised in its thread may come anywhere after the call: many calls, all as long as their turn."""

    def as_long_as_its_turn() -> None:
        Flag().wait(0.0005)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    turns = Turns("sink")
    try:
        for _ in range(300):
            with suppress(TurnTimeoutError):
                turns.take(as_long_as_its_turn, 0.0005)
        wait_until_none_is_behind(turns)
        turns.take(lambda: None, PATIENCE_S)
    finally:
        sys.setswitchinterval(before)
        turns.close()
