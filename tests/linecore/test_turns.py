"""Turns end in time, whether the plugin returns or not."""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event as Flag

import pytest

from linecore.bus import Bus
from linecore.commands.serve import LogHandler
from linecore.events import SourceExhausted
from linecore.testing import PATIENCE_S
from linecore.turns import LEFT_BEHIND, Turn, TurnEnded, Turns, TurnTimeoutError, own_work, plugin_call


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


class Played:
    """A turn whose thread does *work* and is then asked how it went."""

    def __init__(self, work: Callable[[Played], None]) -> None:
        self.turn, self.begun, self.ended = Turn(), Flag(), Flag()
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        assert self.begun.wait(PATIENCE_S)
        self.turn.end()
        self.ended.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def wait_in_python(self) -> None:
        """Say that it has begun, and run until its turn is over: at each step something could be raised."""
        self.begun.set()
        deadline = time.monotonic() + PATIENCE_S
        while not self.ended.is_set():
            assert time.monotonic() < deadline
        for _ in range(1000):
            pass

    def _run(self, work: Callable[[Played], None]) -> None:
        self.turn.begin()
        try:
            work(self)
        except TurnEnded:
            self.said.append("ended")


def test_nothing_is_raised_in_what_the_line_does_itself_between_two_calls() -> None:
    def work(played: Played) -> None:
        with plugin_call():
            played.said.append("called")
        played.wait_in_python()
        played.said.append("done")
        with plugin_call():
            played.said.append("called again")

    assert Played(work).said == ["called", "done", "ended"]


def test_nothing_is_raised_in_what_the_line_does_for_a_plugin_until_it_goes_back_there() -> None:
    changed = threading.Condition()

    def work(played: Played) -> None:
        with plugin_call():
            with own_work(), changed:
                played.wait_in_python()
                played.said.append("done")
            played.said.append("back in the plugin")

    assert Played(work).said == ["done", "ended"]
    assert changed.acquire(timeout=PATIENCE_S)


def published(work: Callable[[], None]) -> None:
    bus = Bus()
    bus.subscribe(SourceExhausted, lambda _: work())
    bus.publish(SourceExhausted("belt"))


def logged(work: Callable[[], None]) -> None:
    class Writes(LogHandler):
        def emit(self, record: logging.LogRecord) -> None:
            work()

    logger = logging.Logger("plugin")
    logger.addHandler(Writes())
    logger.warning("the lamp is dim")


@pytest.mark.parametrize("call_the_line", [published, logged])
def test_a_plugin_that_publishes_or_logs_when_its_turn_ends_has_told_all(
    call_the_line: Callable[[Callable[[], None]], None],
) -> None:
    def work(played: Played) -> None:
        def told() -> None:
            played.wait_in_python()
            played.said.append("told")

        with plugin_call():
            call_the_line(told)
            played.said.append("back in the plugin")

    assert Played(work).said == ["told", "ended"]


def test_a_plugin_that_swallows_the_end_of_its_turn_does_not_get_another() -> None:
    def work(played: Played) -> None:
        with plugin_call():
            try:
                played.wait_in_python()
            except TurnEnded:
                played.said.append("swallowed")

    assert Played(work).said == ["swallowed", "ended"]


def test_a_plugin_may_log_and_publish_while_it_tidies_up_after_its_turn() -> None:
    def work(played: Played) -> None:
        with plugin_call():
            try:
                played.wait_in_python()
            finally:
                for call_the_line in (logged, published):
                    call_the_line(lambda: played.said.append("told"))
                played.said.append("tidied up")

    assert Played(work).said == ["told", "told", "tidied up", "ended"]


def test_a_handler_that_takes_too_long_is_broken_off_and_the_others_are_told() -> None:
    def work(played: Played) -> None:
        bus = Bus()
        bus.subscribe(SourceExhausted, lambda _: played.wait_in_python())
        for _ in range(2):
            bus.subscribe(SourceExhausted, lambda _: played.said.append("told"))
        bus.publish(SourceExhausted("belt"))
        played.said.append(f"{bus.failures} failed")
        with plugin_call():
            played.said.append("called")

    assert Played(work).said == ["told", "told", "1 failed", "ended"]


def test_what_the_line_itself_hears_is_not_broken_off() -> None:
    def work(played: Played) -> None:
        bus = Bus()

        def heard(_: object) -> None:
            played.wait_in_python()
            played.said.append("heard")

        bus.subscribe(SourceExhausted, heard, own=True)
        bus.publish(SourceExhausted("belt"))

    assert Played(work).said == ["heard"]


def test_a_turn_that_ends_twice_is_raised_once() -> None:
    def work(played: Played) -> None:
        with plugin_call():
            try:
                played.wait_in_python()
            finally:
                played.turn.end()
                for _ in range(1000):
                    pass
                played.said.append("tidied up")

    assert Played(work).said == ["tidied up", "ended"]


def test_a_thread_without_a_turn_calls_as_it_likes() -> None:
    with plugin_call(), own_work(), plugin_call():
        pass
