"""A line as its plant runs it: a process, which can be killed, stopped and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import ROOT
from tests.torture.notes import written
from tests.torture.patience import becomes_true

READY_S = 60.0
END_S = 120.0
_BALANCE = re.compile(
    r"^\S+: (\d+) captured = (\d+) recorded \+ (\d+) dropped(?: \(.*\))? \+ (\d+) in flight$", re.MULTILINE
)

BYSTANDERS = Path(__file__).with_name("bystanders.py")


class ServedLine:
    """The line whose file is *path*; *program* is what runs it: linecore, or a mutant of it."""

    def __init__(self, path: Path, program: Sequence[str] = ("-m", "linecore")) -> None:
        self.path = path
        self.folder = path.parent
        self.told = path.with_name("stderr.txt")
        self._program = program
        self._before = 0  # bytes that earlier runs have told
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, ready: bool = True) -> None:
        """Start the process, and wait until it serves."""
        self._before = written(self.told)
        with self.told.open("ab") as told, Path(os.devnull).open("wb") as nowhere:
            command = [sys.executable, *self._program, "serve", str(self.path)]
            self._process = subprocess.Popen(command, stdout=nowhere, stderr=told, cwd=ROOT)
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the line serves.

        Raises:
            AssertionError: it ended instead.
        """
        assert becomes_true(lambda: ": serving from" in self.last_words() or not self.running, READY_S)
        assert self.running, f"the line ended: {self.last_words()}"

    def last_words(self) -> str:
        """Return what this run has told."""
        if not self.told.exists():
            return ""
        with self.told.open("rb") as told:
            told.seek(self._before)
            return told.read().decode(errors="replace")

    def kill(self) -> None:
        """End the process at once, as a loss of power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> int:
        """Let it drain, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(END_S)

    def balanced(self) -> bool:
        """Say whether what the line said at its end adds up: captured = recorded + dropped + in flight."""
        found = _BALANCE.findall(self.last_words())
        assert found, f"the line told no balance: {self.last_words()}"
        return all(int(captured) == int(a) + int(b) + int(c) for captured, a, b, c in found)
