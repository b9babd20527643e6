"""Files that come while the folder source watches, and a line that dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from linecore.events import FrameCaptured, SourceConnected, SourceDisconnected
from linecore.inspection import Decision
from tests.plugins.folder.folders import BIG_PNG, PNG, folder_source, offered, put, serving


def test_a_slow_writer_is_waited_for(folder: Path) -> None:
    writer = (
        "import sys, time, os\n"
        "content = sys.stdin.buffer.read()\n"
        "with open(sys.argv[1], 'wb', buffering=0) as file:\n"
        "    for at in range(0, len(content), len(content) // 20):\n"
        "        file.write(content[at : at + len(content) // 20]); time.sleep(0.05)\n"
    )
    with serving(folder_source(folder / "in", settle_s=1), folder) as (_, sink):
        subprocess.run([sys.executable, "-c", writer, folder / "in/slow.png"], input=BIG_PNG, check=True, timeout=20)
        sink.wait_for(lambda sink: len(sink.inspections) >= 1)
    (inspection,) = sink.inspections
    assert inspection.frame.encoded == BIG_PNG
    assert inspection.verdict.decision is Decision.FAIL


def test_files_that_appear_are_inspected_once_each(folder: Path) -> None:
    with serving(folder_source(folder / "in"), folder) as (listener, sink):
        for number in range(100):
            part = put(folder, f".{number}.png", PNG)
            part.rename(folder / f"in/{number}.png")
        put(folder, os.fsdecode(b"not utf-8 \xff.png"))
        sink.wait_for(lambda sink: len(sink.inspections) >= 101)
        put(folder, "last.png")
        sink.wait_for(lambda sink: len(sink.inspections) >= 102)
    assert len(listener.of(FrameCaptured)) == len({one.frame.id for one in sink.inspections}) == 102


def test_a_folder_that_is_moved_in_is_looked_into(folder: Path) -> None:
    (folder / "lot").mkdir()
    (folder / "lot/a.png").write_bytes(PNG)
    with serving(folder_source(folder / "in", recursive=True), folder) as (_, sink):
        (folder / "lot").rename(folder / "in/lot")
        sink.wait_for(lambda sink: len(sink.inspections) == 1)


def test_what_no_event_tells_of_is_found_by_the_next_look(folder: Path) -> None:
    with serving(folder_source(folder / "in", rescan_s=0.2), folder) as (listener, sink):
        (folder / "in").rename(folder / "away")
        listener.wait_for(SourceDisconnected)
        (folder / "in").mkdir()
        listener.wait_for(SourceConnected, 2)
        put(folder, "a.png")
        sink.wait_for(lambda sink: len(sink.inspections) == 1)


KILLED = """
import os, sys
from pathlib import Path
from typing import Any
from linecore import hookimpl
from linecore.testing import Always, make_line, run
from linecore_plugins.folder.source import FolderSource

class Slow:
    @hookimpl
    def record(self, inspections):
        with open("rows", "a") as rows:
            for one in inspections:
                rows.write(one.frame.id + "\\n")
            rows.flush()
            os.fsync(rows.fileno())
        print(len(inspections), flush=True)

folder = Path.cwd()
source = FolderSource(FolderSource.Config(path=folder / "in", watch=False, settle_s=0.05))
run(make_line({"folder": source, "judge": Always(), "sink": Slow()}, folder=folder))
"""


def test_kill_9_loses_no_file(folder: Path) -> None:
    for number in range(300):
        put(folder, f"{number}.png", BIG_PNG)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    rows = (folder / "rows").read_text().split("\n")
    assert len(rows) < 300
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert len({row.split("@")[0] for row in (folder / "rows").read_text().split()}) == 300
    assert offered(folder) == []
