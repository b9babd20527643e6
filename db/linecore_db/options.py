"""How a person names a time and a part on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from linecore.clock import SystemClock
from linecore.inspection import Part

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"(\d{1,9}(?:\.\d+)?)([smhdw])")
_HELD_KEYS = ("serial", "lot", "order", "tray", "coil")
_PART_KEYS = ("serial", "lot", "order", "tray", "coil", "side")


def parse_moment(text: str, now: datetime) -> datetime:
    """Return a time in UTC: ISO, UTC where it names no zone, or how long before *now* (``90s``, ``2h``, ``7d``).

    Raises:
        ValueError: it is neither.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write 2h, 7d, 2026-01-31 or 2026-01-31T14:00+01:00") from None


def parse_age(text: str) -> timedelta | None:
    """Return how long ``90s``, ``12h``, ``30d`` or ``52w`` is; None for ``forever``.

    Raises:
        ValueError: it is none of these.
    """
    if text == "forever":
        return None
    try:
        if age := _AGO.fullmatch(text):
            return timedelta(seconds=float(age[1]) * _SECONDS[age[2]])
    except OverflowError:
        pass
    raise ValueError(f"{text!r} is no age; write 12h, 30d, 52w or forever")


def parse_part(texts: Sequence[str]) -> Part:
    """Return the part that ``coil=C-4711``, ``side=top`` and their like name together.

    Raises:
        ValueError: one of them is no key and value.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if key not in _PART_KEYS or not separator:
            known = ", ".join(f"{known}=..." for known in _PART_KEYS)
            raise ValueError(f"{text!r} names no part; write one of {known}")
        found[key] = value
    return Part(
        serial=found.get("serial"),
        lot=found.get("lot"),
        order=found.get("order"),
        tray=found.get("tray"),
        coil=found.get("coil"),
        side=found.get("side"),
    )


def moment_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """Read an option that is a time."""
    try:
        return None if value is None else parse_moment(value, SystemClock().now())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def age_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    """Read an option that is an age."""
    try:
        return None if value is None else parse_age(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def held_argument(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, str]:
    """Read an argument that names what is held: ``lot=L7``."""
    part, separator, named = value.partition("=")
    if part not in _HELD_KEYS or not separator or not named:
        known = ", ".join(f"{known}=..." for known in _HELD_KEYS)
        raise click.BadParameter(f"{value!r} names nothing that can be held; write one of {known}")
    return part, named


def part_option(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> Part:
    """Read an option, given any number of times, that names a part."""
    try:
        return parse_part(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
