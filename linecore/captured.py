"""How many frames each source has captured, in memory that the system keeps when the process is killed."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from urllib.parse import quote, unquote

_BYTES = 8


class CapturedCounts:
    """A counter for each source, in a file of eight bytes that is mapped into memory.

    Counting costs a store, not a write, and still the count survives ``kill -9``: the pages belong to the system. A
    loss of power may take the last counts; the journal, which is on the disk by then, knows at least those recorded.

    *folder* None keeps the counters in memory alone.

    Raises:
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = Lock()
        self._maps: dict[str, memoryview] = {}
        self._files: list[mmap.mmap] = []
        if folder is not None:
            folder.mkdir(exist_ok=True)
            for path in folder.iterdir():
                if path.is_file():
                    self._map(unquote(path.name))

    def add(self, source: str) -> None:
        """Count a frame of *source*."""
        with self._lock:
            counter = self._maps.get(source) or self._map(source)
            counter[0] += 1

    def raise_to(self, counts: Mapping[str, int]) -> None:
        """Make each counter at least what *counts* says: what is recorded was captured."""
        with self._lock:
            for source, count in counts.items():
                counter = self._maps.get(source) or self._map(source)
                counter[0] = max(counter[0], count)

    def clear(self) -> None:
        """Set every counter to zero."""
        with self._lock:
            for counter in self._maps.values():
                counter[0] = 0

    def all(self) -> dict[str, int]:
        """Return the count of every source."""
        with self._lock:
            return {source: counter[0] for source, counter in self._maps.items()}

    def close(self) -> None:
        """Release the files."""
        with self._lock:
            for counter in self._maps.values():
                counter.release()
            for mapped in self._files:
                with suppress(BufferError):
                    mapped.close()
            self._maps, self._files = {}, []

    def _map(self, source: str) -> memoryview:
        if self._folder is None:
            mapped = mmap.mmap(-1, _BYTES)
        else:
            descriptor = os.open(self._folder / quote(source, safe=""), os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if os.fstat(descriptor).st_size != _BYTES:
                    # Allocated for good: on a full disk a store into a hole would end the process with SIGBUS.
                    os.ftruncate(descriptor, 0)
                    os.posix_fallocate(descriptor, 0, _BYTES)
                mapped = mmap.mmap(descriptor, _BYTES)
            finally:
                os.close(descriptor)
        self._files.append(mapped)
        # One aligned store of eight bytes: a kill cannot leave half of it.
        counter = self._maps[source] = memoryview(mapped).cast("Q")
        return counter
