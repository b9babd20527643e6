"""What waits in memory for the journal's disk, and what waits on it for every sink."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from linecore.inspection import Inspection
from linecore.intake import Arrival
from linecore.packing import INSPECTION, Delivery, Kind, Packed, name_of, pack, unpack

logger = logging.getLogger(__name__)


class JournalLane(Protocol):
    """What the journal asks of a lane that it keeps deliveries for."""

    name: str

    @property
    def takes(self) -> Collection[Kind]:
        """Kinds of deliveries that the sink takes."""
        ...

    def begin(self, cursor: int, last: int, owed: int) -> None:
        """Learn where the sink is: the number of the last delivery that it has, and of the last that there is.

        *owed* is how many between them it takes.
        """
        ...

    @property
    def cursor(self) -> int:
        """Number of the last delivery that the sink has."""
        ...

    def wants_pixels(self, inspection: Inspection) -> bool:
        """Say whether the sink needs the pictures of an inspection."""
        ...

    def offer(self, seq: int, delivery: Delivery) -> None:
        """Take note of a delivery; must not wait."""
        ...

    def let_go(self, seq: int, reason: str) -> None:
        """Give up everything up to number *seq*."""
        ...


@dataclass(slots=True)
class Waiting:
    """A delivery in memory, with its place in the journal, until it is on disk."""

    seq: int
    at: float  # seconds since 1970
    kind: Kind
    name: str  # of the frame, the alarm, the log entry
    nbytes: int
    arrival: Arrival | None  # whose source is told once this is safe
    counts_as: tuple[str, str] | None  # (source, reason) for the ledger
    delivery: Delivery | None  # None where memory is dear: then it is packed
    packed: Packed | None = None
    offered: bool = False

    @property
    def settles(self) -> bool:
        """Whether its frame is settled, and its id remembered, when it is written."""
        return self.kind == INSPECTION and self.counts_as is not None and not self.is_held

    @property
    def is_held(self) -> bool:
        """Whether its source waits until every sink has it."""
        return self.arrival is not None and self.arrival.hold_s is not None

    def unpacked(self) -> Delivery | None:
        """Return the delivery; None where it cannot be read again."""
        if self.delivery is not None:
            return self.delivery
        assert self.packed is not None
        return unpacked(self.seq, self.packed)


@dataclass(frozen=True, slots=True)
class Held:
    """A frame on disk whose source waits until every sink has it, at the latest until *due*."""

    seq: int
    name: str
    due: float  # seconds of the monotonic clock
    arrival: Arrival
    counts_as: tuple[str, str]


def packed(one: Waiting, lanes: Sequence[JournalLane]) -> Packed | None:
    """Return a delivery as bytes; what a plugin put into it that has no bytes is left out."""
    if one.packed is not None:
        return one.packed
    delivery = one.delivery
    assert delivery is not None
    pixels = isinstance(delivery, Inspection) and any(lane.wants_pixels(delivery) for lane in lanes)
    try:
        return pack(delivery, pixels=pixels)
    except Exception:
        logger.exception("%s cannot be kept as it is", name_of(delivery))
    try:
        if isinstance(delivery, Inspection):
            plain = replace(delivery.verdict, scores={})
            return pack(replace(delivery, verdict=plain, late=None, explanation=None, evidence=()), pixels=pixels)
    except Exception:
        logger.exception("%s cannot be kept at all", name_of(delivery))
    return None


def unpacked(seq: int, packed: Packed) -> Delivery | None:
    """Return a delivery, or None where it is damaged, which is logged."""
    try:
        return unpack(packed)
    except Exception:
        logger.exception("entry %d of the journal, %s, is damaged", seq, packed.name)
        return None
