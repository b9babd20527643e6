"""Turns: calls into a plugin that end in time, whether the plugin returns or not."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from queue import SimpleQueue
from threading import Condition, Event, Lock, Thread, current_thread, get_ident, main_thread

LEFT_BEHIND = 3
"""Calls of one plugin that may hang at once. A sink that never returns would otherwise take a thread with each try."""


class TurnEnded(BaseException):
    """Raised inside a plugin's call whose time is up; a plugin must not catch it for good."""


class TurnTimeoutError(Exception):
    """A plugin has not returned in time, and its turn is over."""


def end_turn(thread: Thread) -> None:
    """Raise :class:`TurnEnded` in *thread*, as soon as it runs Python again.

    It ends a loop, a chain of short waits, a retry: what hangs in one call of C stays there until that call returns.
    """
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TurnEnded))


def let_off() -> None:
    """Take back a :class:`TurnEnded` that has not been raised yet in this thread, which is about to end by itself."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(get_ident()), None)


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
            self._function()
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


class Turns:
    """Calls functions one after the other in a thread of its own, and takes a new thread where one does not return.

    What a call that was left behind does later is nobody's answer any more.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._returned = Condition(self._lock)
        self._behind: set[SimpleQueue[_Call | None]] = set()  # of threads that hang in a call whose turn is over
        self._calls: SimpleQueue[_Call | None] | None = None
        self._thread: Thread | None = None

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
        if self._calls is None:
            self._begin()
        assert self._calls is not None and self._thread is not None
        call = _Call(function)
        self._calls.put(call)
        if not call.done.wait(timeout_s) and not self._is_done_at_last(call):
            raise TurnTimeoutError(f"it has not returned for {timeout_s:g} s")
        if call.error is not None:
            raise call.error

    def close(self) -> None:
        """Let the thread go; one that hangs is left behind."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = self._thread = None

    def _is_done_at_last(self, call: _Call) -> bool:
        """Leave a call behind, unless it has returned in this very moment."""
        with self._lock:
            if call.done.is_set():
                return True
            calls, thread = self._calls, self._thread
            self._calls = self._thread = None
            assert calls is not None and thread is not None
            self._behind.add(calls)
            calls.put(None)
            end_turn(thread)
        return False

    def _begin(self) -> None:
        calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._calls = calls
        self._thread = Thread(target=self._work, args=(calls,), name=self._name, daemon=True)
        self._thread.start()

    def _work(self, calls: SimpleQueue[_Call | None]) -> None:
        try:
            try:
                while (call := calls.get()) is not None:
                    call.run()
            finally:
                self._has_returned(calls)
        except TurnEnded:  # it came when the call had just returned; it comes once
            self._has_returned(calls)

    def _has_returned(self, calls: SimpleQueue[_Call | None]) -> None:
        with self._returned:
            self._behind.discard(calls)
            self._returned.notify_all()
        let_off()
