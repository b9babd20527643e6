"""What an address is to ZeroMQ, and who can reach it."""

from __future__ import annotations

import ipaddress
import re

WISH = "it must look like tcp://127.0.0.1:5570 or ipc:///run/linecore.sock"

_TCP = re.compile(r"tcp://(?P<host>[^\s;]+):(?P<port>\d{1,5}|\*)")
_IPC = re.compile(r"ipc://.+")


def is_address(text: str) -> bool:
    """Say whether *text* names a TCP port or a local socket. ZeroMQ would take port 70000 for port 4464."""
    tcp = _TCP.fullmatch(text)
    return _IPC.fullmatch(text) is not None if tcp is None else tcp["port"] == "*" or int(tcp["port"]) <= 65_535


def is_local(address: str) -> bool:
    """Say whether only programs on this computer can reach *address*."""
    tcp = _TCP.fullmatch(address)
    if tcp is None:
        return True
    host = tcp["host"].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "lo")
