"""The folder source: image files that are there, and those that come."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from linecore.clock import time_of
from linecore.config import LinePath
from linecore.decoding import MAX_ENCODED_BYTES
from linecore.errors import ConfigError
from linecore.events import SourceConnected, SourceDisconnected
from linecore.formats import IMAGE_SUFFIXES
from linecore.hookspecs import hookimpl
from linecore.inspection import Frame
from linecore.ledger import Outcome
from linecore.text import natural, printable
from linecore_plugins.folder.arrivals import Arrivals
from linecore_plugins.folder.done import delete, move
from linecore_plugins.folder.files import FolderFiles, ImageFile
from linecore_plugins.folder.memory import SettledFiles
from linecore_plugins.folder.watch import EVERYTHING, FolderWatch

if TYPE_CHECKING:
    from linecore.line import Line

logger = logging.getLogger(__name__)


class FolderSource:
    """Offers each version of each image file of a folder once, across restarts.

    A frame's key is the file's relative path and a digest of its size and modification time: the same file again is the
    same frame, new content under an old name is a new one. A file that was settled is remembered, moved or deleted; one
    that was dropped is left where it is, and the next start offers it again.
    """

    policy: Literal["wait", "newest"] = "wait"

    class Config(BaseModel):
        """The table of a folder."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        path: LinePath = Field(description="folder that the image files arrive in; it must exist")
        patterns: tuple[str, ...] = Field(
            tuple(f"*{suffix}" for suffix in IMAGE_SUFFIXES),
            min_length=1,
            description="names of the files to inspect, in upper or lower case; those that begin with a dot or end in "
            ".part or .tmp never count",
        )
        recursive: bool = Field(False, description="also look into sub-folders; links to folders are never followed")
        order: Literal["name", "time"] = Field(
            "name", description='order of the files that are there: "name" (9 before 10) or "time" of modification'
        )
        watch: bool = Field(True, description="wait for new files; false: run dry after the files that are there")
        settle_s: float = Field(
            0.5, ge=0, le=3600, description="seconds without a change after which a file counts as completely written"
        )
        rescan_s: float = Field(
            30, gt=0, description="seconds between looks at the whole folder, for what the system did not tell of"
        )
        done: Literal["leave", "move", "delete"] = Field(
            "leave", description='what becomes of a file once its inspection is stored: "leave", "move" or "delete"'
        )
        done_folder: LinePath | None = Field(None, description='folder that done = "move" moves files to')

        @model_validator(mode="after")
        def _done_folder_goes_with_move(self) -> Self:
            if self.done == "move" and self.done_folder is None:
                raise ValueError('done = "move" needs done_folder, the folder to move the files to')
            if self.done != "move" and self.done_folder is not None:
                raise ValueError(f'done_folder is for done = "move", but done is "{self.done}"')
            if self.done_folder is not None and os.path.realpath(self.done_folder) == os.path.realpath(self.path):
                raise ValueError("done_folder is the folder that the files arrive in; name another")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        self._files = FolderFiles(
            config.path.absolute(), config.patterns, recursive=config.recursive, leave_out=config.done_folder
        )
        self._offered: dict[str, ImageFile] = {}  # frame id -> its file, until it is settled
        self._lock = Lock()
        self._memory: SettledFiles | None = None
        self._connected: bool | None = None

    @hookimpl
    def start(self, line: Line) -> None:
        """Check the folders and open the memory."""
        self._line = line
        self._name = line.plugin_name(self)
        _check_folder(f"plugins.{self._name}.path", self.config.path)
        if self.config.done_folder is not None:
            _make_folder(f"plugins.{self._name}.done_folder", self.config.done_folder)
        self._arrivals = Arrivals(self.config.settle_s, line.clock)
        self._memory = SettledFiles(line.state_folder / f"{quote(self._name, safe='')}.settled.sqlite3")

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield the files that are there, in order, and then those that come, each as soon as it is complete."""
        watching = self.config.watch and not self._line.until_exhausted
        watch = FolderWatch(
            self._files.folder,
            recursive=self.config.recursive,
            rescan_s=self.config.rescan_s,
            tick_s=min(0.25, max(0.05, self.config.settle_s / 2)),
            clock=self._line.clock,
            lost=self._say_lost,
            found=self._say_found,
        )
        for changed in watch.changes(stopping) if watching else watch.once(stopping):
            self._arrivals.note(self._new_files() if changed is EVERYTHING else self._new_files_at(changed))
            for file in self._sorted(self._arrivals.take_complete()):
                if stopping.is_set():
                    return
                if frame := self._frame(file):
                    yield frame
            if not watching and not self._arrivals:
                return

    @hookimpl
    def settle(self, frame: Frame, outcome: Outcome) -> None:
        """Remember, move or delete the file of a frame that is safe; leave that of one that was dropped."""
        file = self._offered.get(frame.id)
        if file is None or not outcome.recorded:
            return
        assert self._memory is not None
        try:
            if self.config.done == "delete":
                delete(file)
            elif self.config.done_folder is not None:
                move(file, self.config.done_folder)
            else:
                self._memory.add(file.key)
        except FileNotFoundError:
            pass  # somebody else has tidied up
        except OSError as error:
            logger.warning("%s stays where it is: %s", printable(file.path), error.strerror)
            self._memory.add(file.key)
        with self._lock:  # only now: until here a scan must not take the file for a new one
            self._offered.pop(frame.id, None)

    @hookimpl
    def stop(self) -> None:
        """Close the memory."""
        if self._memory is not None:
            self._memory.close()

    def _new_files(self) -> list[ImageFile]:
        """Return the files of the whole folder that are neither settled nor offered, and forget those that are gone."""
        assert self._memory is not None
        try:
            files = list(self._files.scan())
        except OSError as error:
            self._say_lost(error.strerror or str(error))
            return []
        self._memory.forget_missing({file.key for file in files}, self._line.clock.now())
        known = self._offered_keys()  # first, because `settle` remembers a file before it takes it from the offered
        known |= self._memory.keys()
        return [file for file in files if file.key not in known]

    def _new_files_at(self, paths: Iterable[Path]) -> list[ImageFile]:
        assert self._memory is not None
        files = [file for path in paths for file in self._files.at(path)]
        offered = self._offered_keys() if files else set()
        return [file for file in files if file.key not in offered and file.key not in self._memory]

    def _offered_keys(self) -> set[str]:
        with self._lock:
            return {file.key for file in self._offered.values()}

    def _sorted(self, files: Iterable[ImageFile]) -> list[ImageFile]:
        if self.config.order == "time":
            return sorted(files, key=lambda file: (file.mtime_ns, natural(file.relative)))
        return sorted(files, key=lambda file: natural(file.relative))

    def _frame(self, file: ImageFile) -> Frame | None:
        """Read a file; None where it has changed since, is gone, or cannot be read for now."""
        shown = printable(file.path)
        try:
            # One byte more than can be decoded is enough for the decoder to say that it is too much.
            encoded = self._files.read(file, MAX_ENCODED_BYTES + 1)
        except FileNotFoundError:
            logger.warning("%s was gone before it was read", shown)
            return None
        except PermissionError:
            # A person must mend this, so it must be seen: a frame without bytes becomes a NO_RESULT in the history.
            logger.warning("%s must not be read and counts as empty; allow it, then touch the file", shown)
            encoded = b""
        except OSError as error:
            # A share that is away, a failing disk: the next look at the folder finds the file again.
            logger.warning("%s cannot be read for now: %s", shown, error.strerror)
            return None
        if encoded is None:
            self._arrivals.note(self._files.at(file.path))
            return None
        captured_at = time_of(file.mtime_ns / 1e9)
        frame = self._line.frame(self, file.key, encoded=encoded, captured_at=captured_at, origin=shown)
        with self._lock:
            self._offered[frame.id] = file
        return frame

    def _say_lost(self, reason: str) -> None:
        if self._connected is not False:
            self._connected = False
            self._line.bus.publish(SourceDisconnected(self._name, reason, self.config.rescan_s))

    def _say_found(self) -> None:
        if not self._connected:
            self._connected = True
            self._line.bus.publish(SourceConnected(self._name, printable(self.config.path)))


def _check_folder(key: str, path: Path) -> None:
    wish = "create it or name the folder that the frames arrive in"
    shown = printable(path)
    if not path.exists():
        raise ConfigError(f"{key} is '{shown}', which does not exist; {wish}")
    if not path.is_dir():
        raise ConfigError(f"{key} is '{shown}', which is no folder; {wish}")
    try:
        os.scandir(path).close()
    except OSError as error:
        raise ConfigError(f"{key} is '{shown}', which cannot be read ({error.strerror}); allow it to be") from None


def _make_folder(key: str, path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{key} is '{printable(path)}', which cannot be created ({error.strerror}); name a folder that can be"
        ) from None
