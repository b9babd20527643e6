"""Removes the files that a history names, and no others.

A row is text, and whoever writes to the database could write any path. So a file is removed only inside a folder that
the line's own configuration, or the person at the command line, says holds evidence; the way there is walked folder by
folder without following a link, and only a regular file at its end is removed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a file."""

    gone: bool  # it is no longer there
    size: int | None = None  # bytes that it held or holds; None where it was gone before, or cannot be looked at
    reason: str | None = None  # why it is still there
    identity: tuple[int, int] | None = None  # device and inode: one file, whatever its paths; None where not looked at


class EvidenceFolders:
    """Folders whose files may be removed; relative ones count from where the program runs, as in the rows."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [(folder.absolute(), folder.resolve()) for folder in folders]

    def remove(self, path: str, *, dry_run: bool = False) -> Removed:
        """Remove the file that a row names, or with *dry_run* only look whether that would be done."""
        wanted = Path.cwd() / path
        if ".." in wanted.parts:
            return Removed(False, reason="its path climbs out of a folder")
        for written, real in self._folders:
            for root in (written, real):
                if root in wanted.parents:
                    return _remove(real, wanted.relative_to(root).parts, dry_run)
        return Removed(False, reason="it lies outside the evidence folders")


def _remove(root: Path, parts: Sequence[str], dry_run: bool) -> Removed:
    if not root.is_dir():  # not mounted, maybe: its files are not gone
        return Removed(False, reason=f"the folder {root} is not there")
    try:
        with _folder(root, parts[:-1]) as folder:
            found = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                return Removed(False, reason="it is no regular file")
            identity = found.st_dev, found.st_ino
            if not dry_run:
                os.unlink(parts[-1], dir_fd=folder)
            elif not _may_unlink(folder, found):
                return Removed(False, found.st_size, os.strerror(errno.EACCES), identity)
            return Removed(True, found.st_size, identity=identity)
    except FileNotFoundError:
        return Removed(True)
    except OSError as error:
        return Removed(False, reason=error.strerror or type(error).__name__)
    except ValueError as error:  # a NUL byte in its name
        return Removed(False, reason=str(error))


def _may_unlink(folder: int, file: os.stat_result) -> bool:
    """Say whether this process could remove a file; what only the attempt shows, like an immutable one, is not seen."""
    above = os.fstat(folder)
    if above.st_mode & stat.S_ISVTX and os.geteuid() not in (0, above.st_uid, file.st_uid):
        return False
    return os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True)


@contextmanager
def _folder(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """Give the descriptor of a folder below *root*; a link on the way is an error."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    at = os.open(root, flags)
    try:
        for part in parts:
            inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)
