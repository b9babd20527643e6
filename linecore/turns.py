"""Turns: calls into a plugin that end in time, whether the plugin returns or not.

What is raised in a thread from outside comes between any two of its steps, also where the thread has just taken a lock,
which nobody would give back then. So it is raised in a plugin's call alone: :func:`plugin_call` says where one begins
and ends, and :func:`own_work` where the plugin has called the line in the meantime.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Condition, Event, Lock, Thread, current_thread, get_ident, local, main_thread

LEFT_BEHIND = 3
"""Calls of one plugin that may hang at once. A sink that never returns would otherwise take a thread with each try."""


class TurnEnded(BaseException):
    """Raised inside a plugin's call whose time is up; a plugin must not catch it for good."""


class TurnTimeoutError(Exception):
    """A plugin has not returned in time, and its turn is over."""


class Turn:
    """A thread's turn to call plugins, which another thread may end."""

    def __init__(self) -> None:
        # Taken by `with` alone, for CPython raises nothing between the taking of such a lock and the block. A Condition
        # takes its lock in Python, where what is raised leaves it taken.
        self._lock = Lock()
        self._thread = 0
        self._inside = False
        self._over = False

    def begin(self) -> None:
        """Make it the turn of the thread that calls this."""
        self._thread = get_ident()
        _this_thread.turn = self

    def end(self) -> None:
        """Raise :class:`TurnEnded` in the plugin's call, as soon as it runs Python again; else with the next call.

        It ends a loop, a chain of short waits, a retry: what hangs in one call of C stays until that call returns.
        """
        with self._lock:
            if self._inside and not self._over:
                _raise_in(self._thread, TurnEnded)
            self._over = True

    def go(self, inside: bool, *, tells: bool = True) -> bool:
        """Go into a plugin's call or out of it; return whether the thread was inside of one.

        Raises:
            TurnEnded: a plugin's call begins or is over, and so is the turn; not where it *tells* nothing, and not
                while a plugin tidies up after it.
        """
        with self._lock:
            before, self._inside = self._inside, inside
            over = self._over
        if over and before and not inside:
            _raise_in(self._thread, None)  # it may not have come yet; it comes below
        if over and tells and (before or inside) and not isinstance(sys.exc_info()[1], TurnEnded):
            raise TurnEnded
        return before


class _Gate:
    """The way into a plugin's call, or out of it for a while."""

    def __init__(self, inside: bool, *, tells: bool = True) -> None:
        self._inside = inside
        self._tells = tells
        self._before = False
        self._turn: Turn | None = getattr(_this_thread, "turn", None)

    def __enter__(self) -> bool:
        if self._turn is not None:
            self._before = self._turn.go(self._inside, tells=self._tells)
        return self._before

    def __exit__(self, *_: object) -> None:
        if self._turn is not None:
            self._turn.go(self._before, tells=self._tells)


_this_thread = local()


def plugin_call() -> _Gate:
    """Return the context of a plugin's call, which ends with its turn, where this thread has one.

    Raises:
        TurnEnded: on the way in or out, where the turn is over.
    """
    return _Gate(inside=True)


def handler_call() -> _Gate:
    """Return the context of a handler's call: it ends with its turn, but is called also where the turn is over.

    What an event tells must be told, and what else a thread does whose turn is over ends with its next plugin.
    """
    return _Gate(inside=True, tells=False)


def own_work() -> _Gate:
    """Return the context of what the line does itself: nothing is raised in it. It says whether a plugin called.

    Raises:
        TurnEnded: on the way in from a plugin and back to it, where the turn is over.
    """
    return _Gate(inside=False)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have CPython raise *error* in a thread before its next step, or nothing any more."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def is_from_user(error: BaseException) -> bool:
    """Say whether *error* is a person's Ctrl-C: Python raises that in the main thread alone."""
    return isinstance(error, KeyboardInterrupt) and current_thread() is main_thread()


class _Call:
    """One call, and how it ended."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.done = Event()
        self.error: BaseException | None = None
        self._function = function

    def run(self) -> None:
        try:
            with plugin_call():
                self._function()
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


class _Hand:
    """A thread that makes calls, and its turn."""

    def __init__(self, name: str, work: Callable[[_Hand], None]) -> None:
        self.calls: SimpleQueue[_Call | None] = SimpleQueue()
        self.turn = Turn()
        Thread(target=work, args=(self,), name=name, daemon=True).start()


class Turns:
    """Calls functions one after the other in a thread of its own, and takes a new thread where one does not return.

    What a call that was left behind does later is nobody's answer any more.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._returned = Condition(self._lock)
        self._behind: set[_Hand] = set()  # that hang in a call whose turn is over
        self._hand: _Hand | None = None

    @property
    def left_behind(self) -> int:
        """How many calls hang at this moment though their turn is over."""
        with self._lock:
            return len(self._behind)

    def take(self, function: Callable[[], None], timeout_s: float) -> None:
        """Call *function*, and wait for it up to *timeout_s* seconds.

        Raises:
            TurnTimeoutError: it has not returned, or too many earlier ones have not.
            BaseException: what *function* raised.
        """
        with self._returned:
            if not self._returned.wait_for(lambda: len(self._behind) < LEFT_BEHIND, timeout_s):
                raise TurnTimeoutError(f"{LEFT_BEHIND} earlier calls have not returned yet")
        hand = self._hand = self._hand or _Hand(self._name, self._work)
        call = _Call(function)
        hand.calls.put(call)
        if not call.done.wait(timeout_s) and not self._is_done_at_last(call, hand):
            raise TurnTimeoutError(f"it has not returned for {timeout_s:g} s")
        if call.error is not None:
            raise call.error

    def close(self) -> None:
        """Let the thread go; one that hangs is left behind."""
        if self._hand is not None:
            self._hand.calls.put(None)
            self._hand = None

    def _is_done_at_last(self, call: _Call, hand: _Hand) -> bool:
        """Leave a call behind, unless it has returned in this very moment."""
        with self._lock:
            if call.done.is_set():
                return True
            self._hand = None
            self._behind.add(hand)
            hand.turn.end()
            hand.calls.put(None)
        return False

    def _work(self, hand: _Hand) -> None:
        hand.turn.begin()
        while (call := hand.calls.get()) is not None:
            call.run()
        with self._returned:
            self._behind.discard(hand)
            self._returned.notify_all()
