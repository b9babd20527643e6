"""The child of ``tests.torture.fuzz``: takes the inputs, and says before each which one it is."""

from __future__ import annotations

import json
import mmap
import os
import re
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from linecore.decoding import decode
from linecore.errors import ImageError
from linecore.hookspecs import hookimpl
from linecore_plugins.zmq.header import MessageRefusedError
from linecore_plugins.zmq.wire import FrameMessage
from tests.plugins.zmq.lines import answer, connected, serving
from tests.torture import mutations, seeds

MARK = struct.Struct("<qdd")  # the input that is being taken, since when (0.0 between two), and the CPU time then
BATCH = 250
MAX_MESSAGE = 256 * 1024  # bytes
_DETAIL = re.compile(r"'[^']*'|0x[0-9a-f]+|-?\d[\d,.]*|\(.*?\)|\[.*?\]|/\S+")

Take = Callable[[int], str]
"""Takes input *number*; returns "" where it was accepted, else the class of the reason."""


def reason(sentence: object) -> str:
    """Return a sentence without what differs from input to input."""
    return _DETAIL.sub("N", str(sentence))[:70]


def images(folder: Path | None, _: ExitStack) -> Take:
    originals = seeds.images(folder)

    def take(number: int) -> str:
        try:
            image = decode(mutations.image(number, originals))
        except ImageError as error:
            assert str(error).isprintable(), f"input {number}: {error!r} is not one sentence"
            return reason(error)
        assert image.dtype == np.uint8 and image.shape[2:] in ((), (3,)) and image.size, image.shape
        assert not image.flags.writeable
        return ""

    return take


def messages(folder: Path | None, _: ExitStack) -> Take:
    originals = seeds.messages(folder)

    def take(number: int) -> str:
        try:
            message = FrameMessage.from_parts(mutations.message(number, originals), MAX_MESSAGE)
        except MessageRefusedError as error:
            return reason(error)
        assert (message.image is None) != (message.encoded is None)
        assert message.part is not None
        return ""

    return take


def socket(folder: Path | None, running: ExitStack) -> Take:
    """Send to a running line; every message must be answered."""
    originals = seeds.messages(folder)
    state = Path(running.enter_context(tempfile.TemporaryDirectory()))
    options: dict[str, Any] = {"max_message_mb": MAX_MESSAGE / 2**20}
    address, _ = running.enter_context(serving(_Forgetful(), state, **options))
    bare = running.enter_context(connected(address))

    def take(number: int) -> str:
        bare.send_multipart(mutations.message(number, originals, as_new=True))
        try:
            answered = answer(bare)
        except zmq.Again:
            raise AssertionError("there was no answer") from None
        return "" if answered["status"] == "recorded" else f"{answered['status']}: {reason(answered['reason'])}"

    return take


class _Forgetful:
    """Keeps nothing: memory is what is measured."""

    @hookimpl
    def record(self, inspections: object) -> None:
        """Forget them."""


def faults(_: Path | None, __: ExitStack) -> Take:
    """Crash at input 3, hang at input 5: what the watchdog is for."""

    def take(number: int) -> str:
        if number == 3:
            os.abort()
        while number == 5:
            time.sleep(1)
        return ""

    return take


KINDS = {"images": images, "messages": messages, "socket": socket, "faults": faults}


def memory(key: str) -> int:
    """Return kilobytes of this process: "VmRSS", now, or "VmHWM", at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def main() -> None:
    """Take inputs *begin* to *end*, but for those to be skipped, and print what became of each batch."""
    kind, begin, end, folder, marks, skipped = sys.argv[1:]
    left_out = {int(number) for number in skipped.split(",") if number}
    with open(marks, "r+b") as file, mmap.mmap(file.fileno(), MARK.size) as mark, ExitStack() as running:  # noqa: PTH123
        take = KINDS[kind](Path(folder) if folder else None, running)
        for first in range(int(begin), int(end), BATCH):
            last = min(first + BATCH, int(end))
            counts: Counter[str] = Counter()
            slowest = (0.0, first)
            for number in range(first, last):
                if number in left_out:
                    continue
                began = time.monotonic()
                MARK.pack_into(mark, 0, number, began, time.process_time())
                counts[take(number)] += 1
                slowest = max(slowest, (time.monotonic() - began, number))
            MARK.pack_into(mark, 0, last, 0.0, 0.0)
            row = {"end": last, "counts": counts, "slowest": slowest, "now": memory("VmRSS"), "peak": memory("VmHWM")}
            print(json.dumps(row), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
