"""Says who may connect: ZeroMQ asks it for each connection that wants to use a key (RFC 27, ZAP)."""

from __future__ import annotations

import logging
from collections import OrderedDict

import zmq
from zmq.utils import z85

from linecore_plugins.zmq.keys import AllowList, KeyPair

logger = logging.getLogger(__name__)

STRANGERS = 1000  # keys that are remembered, so that each is logged once
_ADDRESS = "inproc://zeromq.zap.01"  # where ZeroMQ asks


class Gatekeeper:
    """Lets in whose key is on a list. It answers in the thread that owns the server's socket."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], pair: KeyPair, allowed: AllowList) -> None:
        self._pair = pair
        self._allowed = allowed
        self._strangers: OrderedDict[str, None] = OrderedDict()
        self.socket = context.socket(zmq.REP)
        self.socket.set(zmq.LINGER, 0)
        self.socket.bind(_ADDRESS)

    def guard(self, server: zmq.Socket[bytes]) -> None:
        """Have *server*, not yet bound, speak with keys alone."""
        server.set(zmq.CURVE_SERVER, 1)
        server.set(zmq.CURVE_SECRETKEY, self._pair.secret.encode())
        server.set(zmq.ZAP_DOMAIN, b"linecore")

    def name_of(self, part: zmq.Frame) -> str | None:
        """Return who has sent a part of a message; None where its key has been taken from the list since."""
        return self._allowed.name_of(str(part.get("User-Id")))

    def answer(self) -> None:
        """Answer one question."""
        version, number, _domain, address, _identity, mechanism, *credentials = self.socket.recv_multipart()
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and credentials else ""
        name = self._allowed.name_of(key)
        if name is None:
            self._say_stranger(key, address.decode(errors="replace"))
            status, said = b"400", b"this key is not on the line's list"
        else:
            status, said = b"200", b"OK"
        self.socket.send_multipart([version, number, status, said, key.encode() if name else b"", b""])

    def _say_stranger(self, key: str, address: str) -> None:
        if key in self._strangers:
            return
        self._strangers[key] = None
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)
        logger.warning("the key %s, which is not allowed to send, was refused; it came from %s", key, address)
