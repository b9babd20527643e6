"""The control socket of a line that is being served: `linecore status`, `reload` and `journal` ask through it.

A Unix socket beside the journal, for the user who serves the line and nobody else. One JSON object a line goes in, one
comes out.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import cast

from linecore.errors import ConnectionFailedError, LinecoreError
from linecore.messages import Json

NAME = "control.sock"
LONGEST = 1024 * 1024  # bytes of a request
PATIENCE_S = 120.0  # a reload loads a model

Request = Mapping[str, Json]
Answer = Callable[[Request], Json]


class NotServedError(LinecoreError):
    """Nobody serves the line."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answers: Mapping[str, Answer]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked and went away is no fault of the line's."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline(LONGEST)
        self.wfile.write(json.dumps(self._answer(line), default=str).encode() + b"\n")

    def _answer(self, line: bytes) -> Json:
        assert isinstance(self.server, _Server)
        try:
            request = json.loads(line)
            do = self.server.answers[request["do"]]
        except (ValueError, TypeError, KeyError):
            return {"error": f"the request must be a JSON object with do: {', '.join(self.server.answers)}"}
        try:
            return {"answer": do(request)}
        except LinecoreError as error:
            return {"error": str(error)}
        except BaseException as error:  # a plugin that wants to exit must not leave whoever asked without an answer
            return {"error": f"{type(error).__name__}: {error}", "bug": True}


@contextmanager
def control_socket(folder: Path, answers: Mapping[str, Answer]) -> Iterator[None]:
    """Answer requests meanwhile, each in a thread of its own; the socket is in *folder*, the line's state folder."""
    (folder / NAME).unlink(missing_ok=True)  # what a killed process has left; the line's lock says that it is gone
    with _short(folder) as path:
        server = _Server(path, _Handler)
    (folder / NAME).chmod(0o600)  # until here it was as the umask has it, which lets nobody else write
    server.answers = answers
    thread = Thread(target=server.serve_forever, args=(0.1,), name="control", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        (folder / NAME).unlink(missing_ok=True)


def ask(folder: Path, do: str, **details: Json) -> Json:
    """Ask the process that serves the line whose state folder is *folder*.

    Raises:
        NotServedError: nobody serves it.
        LinecoreError: the sentence that the line answered.
        ConnectionFailedError: it does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_S)
        try:
            with _short(folder) as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotServedError("nobody serves the line") from None
        except OSError as error:
            raise ConnectionFailedError(f"{folder / NAME} cannot be reached: {error.strerror}") from None
        try:
            connection.sendall(json.dumps({"do": do, **details}).encode() + b"\n")
            with connection.makefile("rb") as file:
                reply = json.loads(file.readline())
        except (OSError, ValueError):
            raise ConnectionFailedError("the line did not answer; see what it printed") from None
    if "error" in reply:
        raise LinecoreError(str(reply["error"]))
    return cast(Json, reply["answer"])


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Yield a short name for the socket in *folder*: the system takes no more than 107 bytes for one."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
