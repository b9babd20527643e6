"""Reads what strace saw of a line: what was written and synchronised, and which frames were settled when."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

CALLS = "pwrite64,write,fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg"
"""The system calls that matter: writes to a database, synchronisations, a file that moves, an answer that is sent."""

LONGEST = 16_384
"""Bytes of each write that strace must show: a page of SQLite's at least."""

_LINE = re.compile(r"^(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\()(?P<rest>.*)$")
_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_FRAME = re.compile(r"n\d{7}")
_DURABLE = re.compile(r"/journal\.sqlite3[^/]*$")


@dataclass(slots=True)
class Order:
    """What was seen: frames that were settled, and those of them that were on no disk by then."""

    settled: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)
    synchronisations: int = 0


def order_of(lines: Iterable[str], settles: re.Pattern[str]) -> Order:
    """Follow the output of ``strace -f -y``; a call whose text *settles* matches tells a source of a frame.

    A frame is on disk once the file of the journal that its name was written to has been synchronised. That counts from
    when the call has returned, a settlement from when it begins.
    """
    seen = Order()
    waiting: defaultdict[str, set[str]] = defaultdict(set)  # file -> frames written, not yet synchronised
    running: dict[str, set[str]] = {}  # thread -> frames that its synchronisation will have made safe
    safe: set[str] = set()
    for thread, call, began, ended, rest in _calls(lines):
        path = found["path"] if (found := _FILE.match(rest)) else ""
        if began and call in ("write", "pwrite64") and _DURABLE.search(path):
            waiting[path].update(_FRAME.findall(rest))
        elif call in ("fsync", "fdatasync"):
            if began and _DURABLE.search(path):
                running[thread] = waiting.pop(path, set())
            if ended and thread in running:
                seen.synchronisations += 1
                safe |= running.pop(thread)
        elif began and settles.search(rest):
            frames = set(_FRAME.findall(rest))
            seen.early |= frames - safe - seen.settled
            seen.settled |= frames
    return seen


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str, bool, bool, str]]:
    """Yield thread and name of each call, whether the line shows its beginning and its end, and what it shows."""
    for line in lines:
        if found := _LINE.match(line):
            ended = not line.rstrip().endswith("<unfinished ...>")
            yield found["thread"], found["resumed"] or found["call"], not found["resumed"], ended, found["rest"]
