"""A connection to PostgreSQL that gives up: a server that hangs must not hang its client.

The kernel of a stopped server goes on acknowledging, so that `tcp_user_timeout` and keep-alives see nothing wrong; and
`statement_timeout` is the server's own to watch. The one who can end such a wait is the one who waits.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg


class PatientConnection(psycopg.Connection[Any]):
    """Waits for each answer at most :attr:`patience_s` seconds, and then counts as lost."""

    patience_s = 30.0

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        """Wait for an answer, as psycopg does, and not for ever."""
        return super().wait(self._within(gen), *arguments, **options)

    def _within(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        until = time.monotonic() + self.patience_s
        try:
            wish = next(gen)
            while True:
                ready = yield wish
                if not ready and time.monotonic() > until:  # psycopg looks up ten times a second, ready or not
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has not answered for {self.patience_s:g} s")
                wish = gen.send(ready)
        except StopIteration as done:
            return done.value


def connect(patience_s: float, *arguments: Any, **options: Any) -> PatientConnection:
    """Connect as :func:`psycopg.connect` does."""
    connection = PatientConnection.connect(*arguments, **options)
    connection.patience_s = patience_s
    return connection
