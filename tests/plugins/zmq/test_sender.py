"""The sending side: nothing that is not acknowledged is lost, and the history holds nothing twice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from linecore.inspection import Frame
from linecore.ledger import Outcome
from linecore.testing import PATIENCE_S, Recorder, make_line
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.source import ZmqSource
from linecore_plugins.zmq.wire import Acknowledgement, FrameMessage
from tests.plugins.zmq.lines import ANY_PORT, PNG, serving


def test_a_sender_learns_that_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with ZmqSender(address, resend_s=0.05, timeout_s=0.2) as sender:
            assert sender.send("a", encoded=PNG) == Acknowledgement("a", "unanswered", "no answer within 0.2 s")


def test_a_sender_outlives_a_restart_of_the_line(tmp_path: Path) -> None:
    """Nothing that was not acknowledged is lost, and nothing is recorded twice."""
    messages = [FrameMessage.of_file(str(number), PNG) for number in range(200)]
    first, second = Recorder(), Recorder()
    acknowledged: list[str | None] = []

    def send(address: str) -> None:
        with ZmqSender(address, resend_s=0.2, window=8) as sender:
            acknowledged.extend(one.id for one in sender.send_all(messages) if one.status == "recorded")

    with serving(first, tmp_path) as (address, _):
        thread = threading.Thread(target=send, args=(address,))
        thread.start()
        first.wait_for(lambda sink: len(sink.inspections) >= 20)
    assert len(first.inspections) < 200
    with serving(second, tmp_path, address):
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    recorded = [one.frame.id for one in (*first.inspections, *second.inspections)]
    assert sorted(acknowledged) == sorted(message.header.id for message in messages)  # type: ignore[type-var]
    assert len(set(recorded)) == 200


KILLED = """
import signal, sys
from pathlib import Path
from linecore import hookimpl
from linecore.events import SourceConnected
from linecore.testing import Always, make_line
from linecore_plugins.zmq.source import ZmqSource

class Rows:
    @hookimpl
    def record(self, inspections):
        with open("rows", "a") as rows:
            rows.writelines(one.frame.id + "\\n" for one in inspections)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
source = ZmqSource(ZmqSource.Config(bind=sys.argv[1]))
line = make_line({"zmq": source, "judge": Always(), "sink": Rows()}, folder=Path.cwd())
line.start()
print(source.address, flush=True)
signal.sigwait([signal.SIGTERM])
line.stop()
"""


def test_kill_9_of_the_line_loses_no_frame(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    messages = [FrameMessage.of_file(str(number), PNG) for number in range(300)]

    def line(bind: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", KILLED, bind]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)

    answered: list[Acknowledgement] = []
    with line(ANY_PORT) as doomed:
        assert doomed.stdout is not None
        address = doomed.stdout.readline().strip()
        with ZmqSender(address, resend_s=0.2, timeout_s=PATIENCE_S) as sender:
            answers = sender.send_all(messages)
            answered += [next(answers) for _ in range(50)]
            doomed.send_signal(signal.SIGKILL)
            doomed.wait(PATIENCE_S)
            with line(address) as heir:
                answered += answers
                heir.terminate()
    assert [one for one in answered if one.status != "recorded"] == []
    rows = (tmp_path / "rows").read_text().split()
    assert set(rows) == {f"test/zmq/{message.header.id}" for message in messages}


def test_a_dropped_frame_is_answered_with_the_reason(tmp_path: Path) -> None:
    source = ZmqSource(ZmqSource.Config(bind=ANY_PORT))
    line = make_line({"zmq": source}, folder=tmp_path)
    line.prepare()
    stopping = threading.Event()
    frames = source.frames(stopping)
    settled: list[Frame] = []

    def drop() -> None:
        frame = next(frames)
        source.settle(frame, Outcome(dropped="internal error"))
        settled.append(frame)

    thread = threading.Thread(target=drop)
    thread.start()
    with ZmqSender(source.address) as sender:
        assert sender.send("a", encoded=PNG) == Acknowledgement("a", "dropped", "internal error")
    thread.join(PATIENCE_S)
    stopping.set()
    assert list(frames) == []
    line.release()
    assert len(settled) == 1
