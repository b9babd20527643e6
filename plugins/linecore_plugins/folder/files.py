"""Which files of a folder are frames: patterns, temporary names, links, sub-folders."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from linecore.text import printable

logger = logging.getLogger(__name__)

TEMPORARY = (".part", ".tmp")
"""Endings of files that somebody is still writing; names that begin with a dot are temporary too."""

_SHOWN = 140  # characters of a path inside a frame's key; its digest tells longer ones apart


@dataclass(frozen=True)
class ImageFile:
    """One version of a file: when its size or its modification time changes, it is another frame."""

    folder: Path  # that is watched
    relative: str  # path in it, with forward slashes
    size: int  # bytes
    mtime_ns: int
    touched: float = field(compare=False)  # seconds since 1970 of the last write, chmod or rename, by its own disk

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / self.relative

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that tell this version from every other."""
        identity = os.fsencode(self.relative) + f"\0{self.size}\0{self.mtime_ns}".encode()
        return blake2b(identity, digest_size=8).hexdigest()

    @cached_property
    def key(self) -> str:
        """The frame's key: for a person, the path; for the history, the digest."""
        shown = printable(self.relative)
        return f"{shown if len(shown) <= _SHOWN else '…' + shown[1 - _SHOWN :]}@{self.digest}"

    def is_version(self, status: os.stat_result) -> bool:
        """Say whether *status* is of this version of the file."""
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


class FolderFiles:
    """The image files of a folder; *leave_out* is a folder inside it that does not count.

    Links are followed only to regular files inside the folder, and never to folders: what lies elsewhere was not put
    here to be inspected, moved or deleted.
    """

    def __init__(
        self, folder: Path, patterns: Sequence[str], *, recursive: bool, leave_out: Path | None = None
    ) -> None:
        self.folder = folder
        self._pattern = re.compile("|".join(translate(pattern) for pattern in patterns), re.IGNORECASE)
        self._recursive = recursive
        self._leave_out = None if leave_out is None else _real(leave_out)
        self._refused: set[str] = set()  # links that a warning has named

    def scan(self) -> Iterator[ImageFile]:
        """Walk the whole folder.

        Raises:
            OSError: the folder cannot be read. A sub-folder that cannot be read is left out with a warning.
        """
        yield from self._walk("")

    def at(self, path: Path) -> Iterator[ImageFile]:
        """Yield the file at *path*, or where it is a folder the files in it; nothing where it is none of ours."""
        if path == self.folder or not path.is_relative_to(self.folder) or not self._is_ours(path):
            return
        relative = path.relative_to(self.folder).as_posix()
        try:
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode):
                yield from self._look(relative, status)
            elif self._recursive:
                yield from self._walk(relative)
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("%s cannot be read: %s", printable(path), error.strerror)

    def read(self, file: ImageFile, limit: int) -> bytes | None:
        """Return up to *limit* bytes of a file, or None where it is another version by now.

        Raises:
            OSError: it is gone, or cannot be read.
        """
        place = _real(file.path)
        if not place.is_relative_to(_real(self.folder)):
            return None
        # Neither a link nor a pipe that has taken the file's place since may lead elsewhere or block.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(place, flags), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return None
            content = opened.read(limit)
            return content if file.is_version(os.fstat(opened.fileno())) else None

    def _inside(self, path: Path) -> bool:
        return _real(path).is_relative_to(_real(self.folder))

    def _is_ours(self, path: Path) -> bool:
        relative = path.relative_to(self.folder)
        if len(relative.parts) > 1 and not self._recursive:
            return False
        if any(part.startswith(".") for part in relative.parts):
            return False
        parent = _real(path.parent)
        if self._leave_out is not None and parent.is_relative_to(self._leave_out):
            return False
        # A watch follows links to folders, the scan does not: what is inspected must not depend on who sees it first.
        return parent == _real(self.folder) / relative.parent

    def _walk(self, relative: str) -> Iterator[ImageFile]:
        folders = []
        opening = f"{relative}/" if relative else ""
        with os.scandir(self.folder / relative) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(opening + entry.name)
                elif self._pattern.match(entry.name):
                    with suppress(FileNotFoundError):
                        yield from self._look(opening + entry.name, entry.stat(follow_symlinks=False))
        for inner in folders if self._recursive else ():
            try:
                if _real(self.folder / inner) != self._leave_out:
                    yield from self._walk(inner)
            except OSError as error:
                logger.warning("%s cannot be read: %s", printable(self.folder / inner), error.strerror)

    def _look(self, relative: str, status: os.stat_result) -> Iterator[ImageFile]:
        name = relative.rpartition("/")[2]
        if not self._pattern.match(name) or name.lower().endswith(TEMPORARY):
            return
        if stat.S_ISLNK(status.st_mode):
            path = self.folder / relative
            if not self._inside(path):
                self._refuse(path)
                return
            try:
                status = path.stat()
            except FileNotFoundError:
                raise
            except OSError as error:  # a link to itself must not stop the others
                self._refuse(path, error.strerror or "it cannot be followed")
                return
        if stat.S_ISREG(status.st_mode):
            touched = max(status.st_mtime, status.st_ctime)
            yield ImageFile(self.folder, relative, status.st_size, status.st_mtime_ns, touched)

    def _refuse(self, path: Path, why: str = "it points elsewhere") -> None:
        name = printable(path)
        if name not in self._refused:
            self._refused.add(name)
            logger.warning("%s is a link and is left alone: %s", name, why)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
