"""``linecore serve``: run lines until they are told to stop, or have run dry."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event as Flag
from types import FrameType

import click

from linecore.config import LineConfig, load_config
from linecore.errors import ConfigError
from linecore.line import Line
from linecore.state import sole_server

LOOK_EVERY_S = 0.1


@click.command(epilog="Example: linecore serve line.toml")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="LINE.toml...")
@click.option("--until-exhausted", is_flag=True, help="Take what is there, wait for nothing new, and end.")
def serve(files: tuple[Path, ...], until_exhausted: bool) -> None:
    """Run one or several lines (default: line.toml).

    SIGTERM and SIGINT drain: no more frames are taken, those that were taken are inspected and recorded, exit code 0.
    Exit code 1 where a sink has not taken everything, or a source ended because it failed.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    configs = [load_config(path) for path in files or (Path("line.toml"),)]
    _refuse_namesakes(configs)
    _leave_cores_to_workers()
    with ExitStack() as stack:
        stopping = stack.enter_context(_stop_signals())
        for config in configs:
            stack.enter_context(sole_server(config))
        lines = [Line.from_config(config, until_exhausted=until_exhausted) for config in configs]
        running: list[Line] = []
        try:
            for line in lines:
                line.start()
                running.append(line)
                click.echo(f"{line.name}: serving from {', '.join(line.sources)}", err=True)
                for remark in line.remarks():
                    click.echo(f"{line.name}: note: {remark}", err=True)
            _wait(lines, stopping, until_exhausted)
        finally:
            stopped = _stop(running)
    sys.exit(0 if stopped else 1)


def _wait(lines: Sequence[Line], stopping: Flag, until_exhausted: bool) -> None:
    """Wait for a signal, or until everything has been taken and recorded: nobody is in a hurry then."""
    while not stopping.wait(LOOK_EVERY_S):
        if until_exhausted and all(line.exhausted.is_set() and line.idle for line in lines):
            return


def _stop(lines: Sequence[Line]) -> bool:
    """Stop lines, all at once, and say where their frames went; False where something is left to do."""
    if not lines:
        return True
    complete = True
    with ThreadPoolExecutor(len(lines)) as pool:
        for line, balance in zip(lines, pool.map(Line.stop, lines), strict=True):
            click.echo(f"{line.name}: {balance}", err=True)
            for source in line.broken_sources:
                click.echo(f"{line.name}: source {source} failed before it was done", err=True)
            for sink, count in line.undelivered.items():
                click.echo(f"{line.name}: sink {sink} lost {count}", err=True)
            for sink, count in line.left_for_later.items():
                click.echo(f"{line.name}: sink {sink} has not taken {count}; the journal keeps them", err=True)
            troubled = line.broken_sources or line.undelivered or line.left_for_later
            complete = complete and not (balance.in_flight or troubled)
    return complete


def _refuse_namesakes(configs: Sequence[LineConfig]) -> None:
    seen: dict[str, LineConfig] = {}
    for config in configs:
        if first := seen.get(config.line.name):
            raise ConfigError(
                f"{config.path}: line.name is {config.line.name!r}, which {first.path} has too; "
                "lines that are served together need names of their own"
            )
        seen[config.line.name] = config


def _leave_cores_to_workers() -> None:
    """OpenCV's own thread pool would fight the workers for the cores."""
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def _stop_signals() -> Iterator[Flag]:
    """Yield a flag that SIGTERM and SIGINT set; a second signal ends the process at once, as usual."""
    stopping = Flag()
    before: dict[signal.Signals, object] = {}

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
