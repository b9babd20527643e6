"""What a value becomes before a database gets it: UTC times, text that fits, numbers that every database takes.

A frame must never be refused for the shape of its file name. What does not fit is changed so that a person still
recognises it and the same value always becomes the same text, in rows and in searches alike.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, Integer
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

NAME_LENGTH = 120
ID_LENGTH = 255
TEXT_LENGTH = 8000  # 32 kB of the 64 kB that a TEXT of MariaDB holds

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what is called INTEGER


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware times in and out, with microseconds, on databases that know no zones too; stored in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """Ask MariaDB for microseconds, which it leaves out by default."""
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn into UTC; PostgreSQL alone is told the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        in_utc = value.astimezone(UTC)
        return in_utc if dialect.name == "postgresql" else in_utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return UTC, with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc(moment: datetime) -> datetime:
    """Return *moment* in UTC; one without a zone is taken to be UTC, as the words of the line promise."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # a sender's clock at an end of the calendar must not keep its frame out of the history
        return moment.replace(tzinfo=UTC)


def clean(text: str) -> str:
    r"""Return *text* as UTF-8 without NUL: a lone surrogate of a file name becomes ``\udcff``, a NUL ``\x00``."""
    return str(text).replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def fitted(text: str, length: int) -> str:
    """Return *text* as a column of *length* characters can hold and compare it.

    Text that is too long, is no clean UTF-8, or ends in a space (which MariaDB ignores when it compares) keeps its
    beginning and gets a digest of the whole, so that two different texts stay different.
    """
    cleaned = clean(text)
    if cleaned == text and len(text) <= length and not text.endswith(" "):
        return str(text)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return f"{cleaned[: length - 25]}~{digest}"


def storable_id(text: str) -> str:
    """Return the id of a frame or of an alarm as it is stored."""
    return fitted(text, ID_LENGTH)


def name(text: str | None) -> str | None:
    """Return a name as it is stored: a line, a label, a coil."""
    return None if text is None else fitted(text, NAME_LENGTH)


def prose(text: str | None) -> str | None:
    """Return text for a person as it is stored: cut where it is endless."""
    if text is None:
        return None
    cleaned = clean(text)
    return cleaned if len(cleaned) <= TEXT_LENGTH else f"{cleaned[: TEXT_LENGTH - 3]}..."


def finite(number: float | None) -> float | None:
    """Return *number* as a plain float; None for NaN and infinity, which JSON and MariaDB do not have."""
    return float(number) if number is not None and math.isfinite(number) else None
