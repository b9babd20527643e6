"""``linecore serve``: run lines until they are told to stop, or have run dry."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread, Timer
from types import FrameType
from typing import TextIO

import click

from linecore.config import LineConfig, load_config
from linecore.control import Answer, Request, control_socket
from linecore.errors import ConfigError, LinecoreError
from linecore.letters import discard_letters, letters, replay_letters
from linecore.line import Line
from linecore.messages import Json
from linecore.process import usage
from linecore.reload import reload_line
from linecore.secrets import HidingFormatter
from linecore.state import sole_server
from linecore.status import status_of
from linecore.turns import own_work

LOOK_EVERY_S = 0.1
SLOW_START_S = 20.0
BARE = 1.2  # times what the process holds when it has just started: below that a limit would restart it for ever


@click.command(epilog="Example: linecore serve line.toml")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="LINE.toml...")
@click.option("--until-exhausted", is_flag=True, help="Take what is there, wait for nothing new, and end.")
def serve(files: tuple[Path, ...], until_exhausted: bool) -> None:
    """Run one or several lines (default: line.toml).

    SIGTERM and SIGINT drain: no more frames are taken, those that were taken are inspected and recorded, exit code 0.
    Exit code 1 where a sink has not taken everything, or a source ended because it failed. SIGHUP goes on with the
    files as they are now, like `linecore reload`.
    """
    configs = [load_config(path) for path in files or (Path("line.toml"),)]
    _refuse_namesakes(configs)
    _leave_cores_to_workers()
    with ExitStack() as stack:
        stopping, reloading = stack.enter_context(_signals())
        for config in configs:
            stack.enter_context(sole_server(config))
        lines = [Line.from_config(config, until_exhausted=until_exhausted) for config in configs]
        _log_without_secrets(lines)
        running: list[Line] = []
        try:
            for line, config in zip(lines, configs, strict=True):
                with _said_if_slow(f"{line.name}: is still starting its plugins"):
                    line.start()
                running.append(line)
                stack.enter_context(control_socket(line.state_folder, answers(line, Path(config.where))))
                _say(f"{line.name}: serving from {', '.join(line.sources)}")
                for remark in line.remarks():
                    _say(f"{line.name}: note: {remark}")
            full = _wait(lines, configs, stopping, reloading, until_exhausted)
        finally:
            stopped = _stop(running)
    if full:
        _start_anew()
    sys.exit(0 if stopped else 1)


def _say(text: str) -> None:
    """Write to stderr; a terminal that is gone, or a log on a full disk, does not end a line."""
    with suppress(OSError, ValueError):
        click.echo(text, err=True)


def answers(line: Line, file: Path) -> Mapping[str, Answer]:
    """Return what a line answers through its control socket."""

    def reload(request: Request) -> Json:
        asked = request.get("file")
        if asked is not None and Path(str(asked)).resolve() != file.resolve():
            served = f"the line {line.name!r} is served from {file.resolve()}"
            raise ConfigError(f"{served}, not from {asked}; name that file")
        return [*reload_line(line, load_config(file))]

    def replay(request: Request) -> Json:
        return replay_letters(line, request.get("sink"), request.get("ids"))

    def dead(request: Request) -> Json:
        sink = request.get("sink")
        return letters(line.dispatch.journal.dead(None if sink is None else str(sink)))

    def discard(request: Request) -> Json:
        ids = request.get("ids")
        assert isinstance(ids, list)
        discard_letters(line.dispatch.journal.file, [int(str(one)) for one in ids])
        return len(ids)

    return {
        "status": lambda _: status_of(line),
        "reload": reload,
        "dead letters": dead,
        "replay": replay,
        "discard": discard,
    }


def _wait(
    lines: Sequence[Line], configs: Sequence[LineConfig], stopping: Flag, reloading: Flag, until_exhausted: bool
) -> bool:
    """Wait for a signal, or until everything has been taken and recorded: nobody is in a hurry then.

    The answer is whether the process has outgrown its memory, and has to start anew.
    """
    bare_mb = BARE * usage().resident / 1024**2
    for line in lines:
        if (limit := line.setup.settings.memory_mb) is not None and limit <= bare_mb:
            _say(f"{line.name}: note: memory_mb is {limit:g} and has no effect: the process needs {bare_mb:.0f}")
    while not stopping.wait(LOOK_EVERY_S):
        if reloading.is_set():
            reloading.clear()
            for line, config in zip(lines, configs, strict=True):
                # In a thread of its own: a plugin that hangs in its start must not keep a signal from being seen.
                Thread(target=_reload, args=(line, Path(config.where)), name="reload", daemon=True).start()
        if until_exhausted and all(line.exhausted.is_set() and line.idle for line in lines):
            return False
        limits = [limit for line in lines if (limit := line.setup.settings.memory_mb) is not None and limit > bare_mb]
        if limits and (resident := usage().resident / 1024**2) > min(limits):
            for line in lines:
                said = f"the process holds {resident:.0f} MB, more than memory_mb = {min(limits):g}; it starts anew"
                _say(f"{line.name}: {said}")
                line.dispatch.logbook.write("memory limit", said)
            return True
    return False


def _reload(line: Line, file: Path) -> None:
    """Do what `linecore reload` does, and say on the terminal what came of it."""
    try:
        changes = reload_line(line, load_config(file))
    except LinecoreError as error:
        _say(f"{line.name}: not reloaded, the line goes on as it was: {error}")
    except BaseException as error:  # the file is read here, and what it names is imported
        logging.exception("reloading %s failed", file)
        _say(f"{line.name}: not reloaded: {type(error).__name__}: {error}")
    else:
        _say(f"{line.name}: reloaded: {', '.join(changes) or 'nothing has changed'}")


def _start_anew() -> None:
    """Become a new process with the same arguments: what leaked is gone, what was journalled is not."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@contextmanager
def _said_if_slow(sentence: str) -> Iterator[None]:
    """Say something where what happens inside takes long: a plugin may hang in its start."""
    timer = Timer(SLOW_START_S, lambda: _say(f"{sentence}, after {SLOW_START_S:g} s"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stop(lines: Sequence[Line]) -> bool:
    """Stop lines, all at once, and say where their frames went; False where something is left to do."""
    if not lines:
        return True
    complete = True
    with ThreadPoolExecutor(len(lines)) as pool:
        for line, balance in zip(lines, pool.map(Line.stop, lines), strict=True):
            _say(f"{line.name}: {balance}")
            for source in line.broken_sources:
                _say(f"{line.name}: source {source} failed before it was done")
            for sink, count in line.undelivered.items():
                _say(f"{line.name}: sink {sink} lost {count}")
            for sink, count in line.left_for_later.items():
                _say(f"{line.name}: sink {sink} has not taken {count}; the journal keeps them")
            troubled = line.broken_sources or line.undelivered or line.left_for_later
            complete = complete and not (balance.in_flight or troubled)
    return complete


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; a plugin whose turn ends while it logs must not keep the lock that all others log with."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record."""
        with own_work():
            return super().handle(record)


def _log_without_secrets(lines: Sequence[Line]) -> None:
    def hide(text: str) -> str:
        for line in lines:  # a line's secrets change with its file
            text = line.hide(text)
        return text

    handler = LogHandler()
    handler.setFormatter(HidingFormatter(hide, "%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


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
def _signals() -> Iterator[tuple[Flag, Flag]]:
    """Yield a flag that SIGTERM and SIGINT set, and one for SIGHUP; a second SIGTERM ends the process at once."""
    stopping, reloading = Flag(), Flag()
    before: dict[signal.Signals, object] = {}

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, stop)
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: reloading.set())
    try:
        yield stopping, reloading
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
