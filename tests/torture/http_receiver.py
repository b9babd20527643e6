"""What a webhook posts to: a server that writes down each inspection and alarm, and answers then.

``python -m tests.torture.http_receiver PORT FOLDER``; SIGTERM ends it between two messages.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.conftest import ROOT
from tests.servers import free_port
from tests.torture.bystanders import Log
from tests.torture.notes import Delivered, deliveries
from tests.torture.patience import becomes_true

START_S = 30.0


class HttpReceiver:
    """The server as a process, which may be stopped and started again on the same port; it writes into *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        listens = self._folder / "listens"
        listens.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.torture.http_receiver", str(self._port), str(self._folder)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        assert becomes_true(listens.exists, START_S), "the receiver does not start"

    def stop(self) -> None:
        """Stop it between two messages."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(START_S)

    def received(self) -> list[Delivered]:
        """Return the inspections that it got, oldest first."""
        return deliveries(self._folder / "received.txt")

    def alarms(self) -> list[str]:
        """Return the alarms' changes that it got, oldest first: a state and a name each."""
        path = self._folder / "alarms.txt"
        return path.read_text().splitlines() if path.exists() else []


class _Server(HTTPServer):
    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(("127.0.0.1", port), _Writer)
        self.received = Log(folder / "received.txt")
        self.alarms = Log(folder / "alarms.txt")


class _Writer(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.add("".join(map(_line, message.get("inspections", []))))
        if alarm := message.get("alarm"):
            self.server.alarms.add(f"{alarm['state']} {alarm['name']}: {alarm['message']}\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def _line(inspection: dict[str, Any]) -> str:
    completed_at = datetime.fromisoformat(inspection["completed_at"]).timestamp()
    return f"{inspection['frame_id']} {completed_at:.6f} {time.time():.6f} {int(inspection.get('buffered', False))}\n"


def main(port: int, folder: Path) -> None:
    """Listen until SIGTERM."""
    with _Server(port, folder) as server:
        # `shutdown` waits for `serve_forever`, which the signal has interrupted: another thread must call it.
        signal.signal(signal.SIGTERM, lambda number, frame: Thread(target=server.shutdown).start())
        (folder / "listens").touch()
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
