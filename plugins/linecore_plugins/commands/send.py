"""``linecore send``: push image files to a line over ZeroMQ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from linecore.clock import time_of
from linecore.commands.finite import FiniteRange
from linecore.decoding import decode
from linecore.errors import ConfigError, LinecoreError
from linecore.formats import IMAGE_SUFFIXES
from linecore.inspection import Part
from linecore.text import natural, printable
from linecore_plugins.zmq.header import MAX_ID
from linecore_plugins.zmq.keys import KeyPair, read_public
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.wire import FrameMessage

PART_KEYS = tuple(one.name for one in fields(Part))


def _part(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> Part:
    values: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in PART_KEYS or not value:
            raise click.BadParameter(f"{pair!r} must be KEY=VALUE, where KEY is one of {', '.join(PART_KEYS)}")
        try:
            values[key] = float(value) if key in ("metre", "across") else value
        except ValueError:
            raise click.BadParameter(f"{pair!r}: {key} must be a number") from None
    return Part(**values)


@click.command(epilog="Example: linecore send tcp://127.0.0.1:5570 samples/ --part coil=4711")
@click.argument("address")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option("--part", multiple=True, callback=_part, metavar="KEY=VALUE", help="Identifies the product; repeatable.")
@click.option("--fps", type=FiniteRange(min=0, min_open=True), metavar="N", help="Send no more than N frames a second.")
@click.option("--raw", is_flag=True, help="Decode here and send pixels instead of files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.option(
    "--timeout",
    type=FiniteRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an answer. The first frame without one ends the sending.",
)
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The sender's own NAME.secret.")
@click.option("--server-key", metavar="KEY", help="The line's public key, or a file with it.")
def send(
    address: str,
    paths: tuple[Path, ...],
    part: Part,
    fps: float | None,
    raw: bool,
    as_json: bool,
    timeout: float,
    key: Path | None,
    server_key: str | None,
) -> None:
    """Send image files to the line that listens on ADDRESS, and wait until it has stored them.

    Folders are walked in order. A file's id is made from its name and its content, so sending it again does no harm.
    Ends with exit code 1 where a file was refused, dropped or not answered. A line that other computers can reach asks
    for keys: see `linecore keys new`.
    """
    files = list(_files(paths))
    if not files:
        shown = ", ".join(map(printable, paths))
        raise ConfigError(f"{shown} holds no image; name files, or folders of {' '.join(IMAGE_SUFFIXES)}")
    if (key is None) != (server_key is None):
        raise ConfigError("--key and --server-key go together; give both, or neither where the line asks for no keys")
    pair = None if key is None else KeyPair.read(key)
    public = None if server_key is None else read_public(server_key)
    console = Console(stderr=True)
    with (
        ZmqSender(address, timeout_s=timeout, resend_s=min(5.0, timeout / 2), key=pair, server_key=public) as sender,
        Progress(console=console, disable=not console.is_terminal, transient=True) as progress,
    ):
        task = progress.add_task("sending", total=len(files))
        shipment = _Shipment(files, part, raw, as_json, lambda: progress.advance(task))
        for answer in sender.send_all(shipment.messages(), interval_s=1 / fps if fps else 0.0):
            shipment.report(shipment.sent[answer.id or ""], answer.status, answer.id, answer.reason)
    click.echo(shipment.summary(), err=as_json)
    if shipment.counts["recorded"] < len(files):
        raise SystemExit(1)


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file with its name for the line: relative to the folder that was asked for."""
    for path in paths:
        if path.is_dir():
            found = [inner for inner in path.rglob("*") if inner.suffix.lower() in IMAGE_SUFFIXES and inner.is_file()]
            named = [(inner, inner.relative_to(path).as_posix()) for inner in found]
            yield from sorted(named, key=lambda pair: natural(pair[1]))
        else:
            yield path, path.name


@dataclass(slots=True)
class _Shipment:
    """The files of one call, and what became of each."""

    files: list[tuple[Path, str]]
    part: Part
    raw: bool
    as_json: bool
    advance: Callable[[], None]
    sent: dict[str, Path] = field(default_factory=dict)  # by frame id
    counts: Counter[str] = field(default_factory=Counter)  # by status

    def messages(self) -> Iterator[FrameMessage]:
        """Yield what there is to send, until a frame stays unanswered: nobody listens then."""
        for path, name in self.files:
            if self.counts["unanswered"]:
                return
            try:
                content = path.read_bytes()
                message = self._message(_frame_id(name, content), content, path.stat().st_mtime)
            except (LinecoreError, OSError) as error:
                self.report(path, "refused", None, str(error))
                continue
            self.sent[message.header.id] = path
            yield message

    def report(self, path: Path, status: str, frame_id: str | None, reason: str | None) -> None:
        """Count one file, and say what is to be said of it."""
        self.counts[status] += 1
        self.advance()
        if self.as_json:
            row = {"source": printable(path), "id": frame_id, "status": status, "reason": reason}
            click.echo(json.dumps(row, ensure_ascii=False))
        elif status != "recorded":
            click.echo(f"{printable(path)}: {status}: {reason}", err=True)

    def summary(self) -> str:
        """Say how many files ended how."""
        rest = {status: count for status, count in self.counts.items() if status != "recorded"}
        if missing := len(self.files) - self.counts.total():
            rest["not sent"] = missing
        tail = "".join(f", {count} {status}" for status, count in rest.items())
        return f"{self.counts['recorded']} of {len(self.files)} recorded{tail}"

    def _message(self, frame_id: str, content: bytes, mtime: float) -> FrameMessage:
        captured_at = time_of(mtime)
        if self.raw:
            return FrameMessage.of_image(frame_id, decode(content), part=self.part, captured_at=captured_at)
        return FrameMessage.of_file(frame_id, content, part=self.part, captured_at=captured_at)


def _frame_id(name: str, content: bytes) -> str:
    digest = blake2b(content, digest_size=8).hexdigest()
    return f"{printable(name)[-(MAX_ID - len(digest) - 1) :]}@{digest}"
