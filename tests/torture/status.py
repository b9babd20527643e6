"""What `linecore status` says of a line, while it is served or after it was killed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Account:
    """The ledger of a line over all its runs, and what its journal holds."""

    captured: int = 0
    recorded: int = 0
    dropped: int = 0
    in_flight: int = 0
    waiting: dict[str, int] | None = None  # for each sink

    @property
    def balanced(self) -> bool:
        """Whether it adds up."""
        return self.captured == self.recorded + self.dropped + self.in_flight

    def explains(self, rows: int, sink: str = "database", *, shared: bool = False) -> bool:
        """Whether every recorded frame is among the *rows* of a history, or waits in the journal for its *sink*.

        What waits may be a row already: a kill can come between the delivery and striking it off. A frame of a queue
        that is *shared* is recorded only when every sink has it: until then its row is of a frame that is on its way,
        or that a kill gave back and the queue has not delivered again.
        """
        waiting = (self.waiting or {}).get(sink, 0)
        known = self.captured if shared else self.recorded
        return self.balanced and rows <= known and self.recorded <= rows + waiting


def account_of(path: Path) -> Account:
    """Ask `linecore status` of the line whose file is *path*; a line that was never served has nothing."""
    command = [sys.executable, "-m", "linecore", "status", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=ROOT, check=False)
    if done.returncode == 2 and "has never been served" in done.stderr:
        return Account()
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    totals = found["total"].values()
    return Account(
        captured=sum(one["captured"] for one in totals),
        recorded=sum(one["recorded"] for one in totals),
        dropped=sum(sum(one["dropped"].values()) for one in totals),
        in_flight=sum(one["in_flight"] for one in totals),
        waiting={name: one["waiting"] for name, one in found["sinks"].items()},
    )
