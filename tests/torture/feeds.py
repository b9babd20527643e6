"""Where the frames of a tortured line come from: a folder that fills, a sender. Both go on while the line is down."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Protocol

from tests.conftest import ROOT
from tests.servers import free_port
from tests.torture.steel import Steel, place

END_S = 60.0


class Feed(Protocol):
    """Feeds frames 0, 1, 2, ... to a line."""

    table: str  # the source's table in line.toml

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Add no more; what has been added goes on being offered."""

    def added(self) -> int:
        """Return how many frames there have been: 0 to this number, exclusive, must be in the history in the end."""

    def end(self) -> bool:
        """Release everything; say whether the source's side knows of each frame that it is safe."""


class FolderFeed:
    """Puts real images into a folder, *rate* a second."""

    def __init__(self, folder: Path, rate: float, *, options: str = "") -> None:
        self._folder = folder / "incoming"
        self._folder.mkdir()
        self.table = f'[plugins.folder]\npath = "incoming"\nsettle_s = 0.01\n{options}'
        self._rate = rate
        self._added = 0
        self._stopping = Flag()
        self._thread = Thread(target=self._fill, name="feed", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Add no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def added(self) -> int:
        """Return how many files there have been."""
        return self._added

    def end(self) -> bool:
        """Stop; a folder knows nothing of its own."""
        self.stop()
        return True

    def _fill(self) -> None:
        steel, due = Steel(), time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            place(self._folder, self._added, steel[self._added])
            self._added += 1
            due += 1 / self._rate


class ZmqFeed:
    """A process that pushes real images over ZeroMQ, *rate* a second, and resends what is not answered.

    Up to *window* frames are on their way at once; the first has the number *first*. Several feeds of one line share
    its *address*.
    """

    def __init__(
        self, folder: Path, rate: float, *, window: int = 16, first: int = 0, address: str | None = None
    ) -> None:
        self.address = address or f"tcp://127.0.0.1:{free_port()}"
        self.table = f'[plugins.zmq]\nbind = "{self.address}"\n'
        self._first = first
        self._log = folder / f"sender-{first}.txt"
        self._command = [sys.executable, "-m", "tests.torture.push", self.address, str(self._log), str(rate)]
        self._command += ["--window", str(window), "--first", str(first)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin."""
        self._process = subprocess.Popen(self._command, cwd=ROOT)

    def stop(self) -> None:
        """Send nothing new."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def added(self) -> int:
        """Return how many frames there have been, with those before the first."""
        return self._first + self._lines("sent")

    def answered(self) -> int:
        """Return how many frames the sender knows to be recorded, with those before the first."""
        return self._first + self._lines("recorded")

    def end(self) -> bool:
        """Wait for the sender's end; False where it still waits for an answer, or got another than "recorded"."""
        if self._process is None:
            return True
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self.answered() == self.added()

    def _lines(self, kind: str) -> int:
        content = self._log.read_bytes() if self._log.exists() else b""
        return content.count(f"{kind} ".encode())
