"""What becomes of a file once its frame is safe: moved or deleted, and never over or under another file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from errno import EXDEV
from itertools import count
from pathlib import Path

from linecore_plugins.folder.files import ImageFile

_LONGEST = 255  # bytes of a file's name


def delete(file: ImageFile) -> None:
    """Delete *file*, unless another version of it has come since."""
    if file.is_version(file.path.stat()):
        file.path.unlink()


def move(file: ImageFile, folder: Path) -> None:
    """Move *file* to the same relative path below *folder*, unless another version of it has come since.

    Where that name is taken, the file's digest goes into the name.
    """
    if not file.is_version(file.path.stat()):
        return
    target = folder / file.relative
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in _names(target.name, file.digest):
        place = target.with_name(name)
        try:
            place.touch(exist_ok=False)  # ours from here on: a rename alone would replace what is there
        except FileExistsError:
            continue
        try:
            _rename(file.path, place)
        except OSError:
            place.unlink(missing_ok=True)
            raise
        return


def _rename(path: Path, place: Path) -> None:
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != EXDEV:
            raise
        _copy_across(path, place)


def _copy_across(path: Path, place: Path) -> None:
    """Move to another disk: whole under a temporary name first, then in place, and only then away from here."""
    descriptor, temporary = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
    try:
        with path.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(path, temporary)
        Path(temporary).replace(place)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    path.unlink()


def _names(name: str, digest: str) -> Iterator[str]:
    yield name
    for number in count():
        ending = f"@{digest}{f'.{number}' if number else ''}{Path(name).suffix}"
        stem = os.fsencode(Path(name).stem)[: _LONGEST - len(os.fsencode(ending))]
        yield os.fsdecode(stem) + ending
