"""Network namespaces on one bridge: machines with cables that can be pulled. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.conftest import skip_or_fail


class Network:
    """Machines by name, each in a namespace of its own with one cable to the bridge, whose address is *hub*."""

    def __init__(self) -> None:
        self._tag = uuid.uuid4().hex[:6]
        self._subnet = f"10.{100 + int(self._tag[:2], 16) % 100}.{int(self._tag[2:4], 16)}"
        self.hub = f"{self._subnet}.1"
        self._undo = ExitStack()
        self._machines: list[str] = []

    def open(self) -> None:
        """Make the bridge."""
        bridge = f"lc{self._tag}"
        ip("link", "add", bridge, "type", "bridge")
        self._undo.callback(ip, "link", "delete", bridge)
        ip("address", "add", f"{self.hub}/24", "dev", bridge)
        ip("link", "set", bridge, "up")

    def add(self, machine: str) -> None:
        """Make a machine and plug its cable in."""
        self._machines.append(machine)
        inside, outside = f"{self._cable(machine)}i", self._cable(machine)
        space = self._space(machine)
        ip("netns", "add", space)
        self._undo.callback(ip, "netns", "delete", space)
        ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
        ip("link", "set", outside, "master", f"lc{self._tag}", "up")
        within = ("-n", space)
        ip(*within, "address", "add", f"{self._subnet}.{len(self._machines) + 1}/24", "dev", inside)
        ip(*within, "link", "set", inside, "up")
        ip(*within, "link", "set", "lo", "up")

    def on(self, machine: str, command: list[str]) -> list[str]:
        """Return the command that runs *command* on a machine."""
        return ["ip", "netns", "exec", self._space(machine), *command]

    def cut(self, machine: str) -> None:
        """Pull a machine's cable: what is on its way is lost, and nobody is told."""
        ip("link", "set", self._cable(machine), "down")

    def mend(self, machine: str) -> None:
        """Plug it in again."""
        ip("link", "set", self._cable(machine), "up")

    def close(self) -> None:
        """Take everything away."""
        self._undo.close()

    def _space(self, machine: str) -> str:
        return f"lc{self._tag}-{machine}"

    def _cable(self, machine: str) -> str:
        return f"lc{self._tag}{self._machines.index(machine)}"


def ip(*arguments: str) -> None:
    """Run ``ip``; its complaint is the error."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def network(*machines: str) -> Iterator[Network]:
    """Make a network of *machines*; skip where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        skip_or_fail("network namespaces need root, and iproute2")
    made = Network()
    try:
        try:
            made.open()
            for machine in machines:
                made.add(machine)
        except OSError as error:
            skip_or_fail(f"no network namespaces here: {error}")
        yield made
    finally:
        made.close()
