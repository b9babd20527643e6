"""What the files of a history take, and which of them go first where that is too much.

Measured once, before anything goes: in which order to remove is a list from then on. Two that purge at the same time
come to the same list, and what a line writes meanwhile is neither counted nor touched.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Engine, Row, and_, func, or_, select

from linecore.inspection import Decision
from linecore_db.evidence_files import EvidenceFolders
from linecore_db.schema import EvidenceRow, InspectionRow

READ = 1000  # rows at a time
Numbers = npt.NDArray[np.int64]


@dataclass(slots=True)
class _Inspections:
    """Inspections that name files, in the order of their ids; arrays, since there may be millions."""

    ids: array[int] = field(default_factory=lambda: array("q"))
    captured: array[float] = field(default_factory=lambda: array("d"))  # seconds since 1970
    passed: array[int] = field(default_factory=lambda: array("b"))
    may_go: array[int] = field(default_factory=lambda: array("b"))  # 0 too where a file is not there, or must stay


@dataclass(slots=True)
class _Files:
    """Files that were looked at, as often as they are named."""

    names: array[int] = field(default_factory=lambda: array("q"))  # hashes of device and inode
    owners: array[int] = field(default_factory=lambda: array("q"))  # places of their inspections
    sizes: array[int] = field(default_factory=lambda: array("q"))  # bytes


@dataclass(frozen=True, slots=True, eq=False)
class StoredImages:
    """The files that a history names, as they were when they were measured."""

    bytes: int  # each file once, however many rows name it
    unknown: dict[str, str]  # file that could not be looked at -> why
    # Inspections whose files may go: those that passed before the others, and the oldest of each first.
    ids: Numbers
    captured: npt.NDArray[np.float64]  # seconds since 1970
    sizes: Numbers  # bytes of their files

    def next_to_go(self, done: int, batch: int, excess: float) -> slice:
        """Return the places of those after the first *done* whose files make *excess* bytes, a *batch* at most."""
        sums = np.cumsum(self.sizes[done : done + batch])
        return slice(done, done + min(len(sums), int(np.searchsorted(sums, excess)) + 1))


def measure(
    engine: Engine,
    files: EvidenceFolders,
    may_go: ColumnElement[bool],
    leaves: ColumnElement[bool],
    stuck: Container[str],
) -> StoredImages:
    """Look at every file that a row names: the newest included, later ones not.

    *may_go* says which inspections may lose their files. The files of those that a purge by age *leaves* without do not
    count, but for the *stuck* ones. A file that several inspections name, by whatever path, stays, for one of these may
    have to, and so does what an inspection names whose files are not all there: another sink may be about to write
    them.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    inspections, found, unknown = _Inspections(), _Files(), dict[str, str]()
    for row in _named(engine, may_go, leaves):
        key, _, path, captured_at, decision, free, leaving = row
        if leaving and path not in stuck:
            continue
        if not inspections.ids or inspections.ids[-1] != key:
            inspections.ids.append(key)
            inspections.captured.append(captured_at.timestamp())
            inspections.passed.append(decision == Decision.PASS)
            inspections.may_go.append(bool(free))
        file = files.remove(path, dry_run=True)
        if not file.gone or file.size is None:
            inspections.may_go[-1] = 0
        if not file.gone:
            unknown[path] = file.reason or "it cannot be looked at"
        if identity := file.identity or _identity(path):
            found.names.append(_hash(identity))
            found.owners.append(len(inspections.ids) - 1)
            found.sizes.append(file.size or 0)
    return _ordered(inspections, found, unknown)


def _ordered(inspections: _Inspections, found: _Files, unknown: dict[str, str]) -> StoredImages:
    names, owners, sizes = (np.array(column, np.int64) for column in (found.names, found.owners, found.sizes))
    # The largest of a file's sizes first: by a path that may not be followed it was not measured, and has none.
    by_name = np.lexsort((-sizes, names))
    again = names[by_name][1:] == names[by_name][:-1]
    first = np.ones(len(names), bool)
    first[by_name[1:][again]] = False
    free = np.array(inspections.may_go, bool)
    for pair in (by_name[1:], by_name[:-1]):
        free[owners[pair[again]]] = False
    of_inspection = np.bincount(owners, weights=sizes, minlength=len(free)).astype(np.int64)
    free &= of_inspection > 0
    ids, captured, passed = (np.array(one) for one in (inspections.ids, inspections.captured, inspections.passed))
    order = np.lexsort((ids[free], captured[free], passed[free] == 0))
    return StoredImages(
        int(sizes[first].sum()), unknown, ids[free][order], captured[free][order], of_inspection[free][order]
    )


def _named(
    engine: Engine, may_go: ColumnElement[bool], leaves: ColumnElement[bool]
) -> Iterator[Row[int, int, str, datetime, str, bool, bool]]:
    """Yield the evidence, inspection by inspection, in short reads."""
    key, ordinal = EvidenceRow.inspection_id, EvidenceRow.ordinal
    with engine.connect() as connection:
        newest = connection.scalar(select(func.max(key))) or 0
    columns = select(
        key,
        ordinal,
        EvidenceRow.path,
        InspectionRow.captured_at,
        InspectionRow.decision,
        may_go.label("may_go"),
        leaves.label("leaves"),
    ).join(InspectionRow, InspectionRow.id == key)
    last = 0, 0
    while True:
        further = and_(key >= last[0], or_(key > last[0], ordinal > last[1]), key <= newest)
        began = time.perf_counter()
        with engine.connect() as connection:
            rows = connection.execute(columns.where(further).order_by(key, ordinal).limit(READ)).all()
        time.sleep(time.perf_counter() - began)  # whoever waited for SQLite's lock has it now
        yield from rows
        if len(rows) < READ:
            return
        last = rows[-1][0], rows[-1][1]


def _identity(path: str) -> tuple[int, int] | None:
    """Return which file it is that may not be removed by this path, for another may lead there too."""
    try:
        found = (Path.cwd() / path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _hash(identity: tuple[int, int]) -> int:
    return int.from_bytes(blake2b(repr(identity).encode(), digest_size=8).digest(), signed=True)
