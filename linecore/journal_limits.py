"""Keeps the journal within its limits: an alarm long before anything is let go, and the oldest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linecore.clock import Clock
from linecore.journal_file import JournalFile
from linecore.journal_settings import JournalSettings
from linecore.waiting import JournalLane

WARN_AT = 0.8  # of a limit: the alarm
CLOCK_SET_S = 60.0  # a clock that has gained more than this between two looks was set


class JournalLimits:
    """Looks at how full the journal is; *trouble* is told when it fills up, and when that is over."""

    def __init__(
        self, settings: JournalSettings, file: JournalFile, clock: Clock, trouble: Callable[[str, str | None], None]
    ) -> None:
        self.settings = settings
        self._file = file
        self._clock = clock
        self._trouble = trouble
        self._warned = False
        self._clock_set = file.clock_set() or 0.0  # seconds since 1970; what was written before is no older than this
        self._looked = (clock.now().timestamp(), clock.monotonic())

    def look(self, size: int, oldest: tuple[int, float] | None, lanes: Sequence[JournalLane]) -> int | None:
        """Compare with the limits, and have the lanes let go of what is beyond them.

        *size* is in bytes, *oldest* the number and the time of the oldest entry. The answer is the number up to which
        everything was let go, or None.

        Raises:
            sqlite3.Error: the file cannot be read or written.
        """
        limit, age = self.settings.max_mb * 1024 * 1024, 3600 * self.settings.max_age_h
        now = self._clock.now().timestamp()
        self._notice_clock_set(now)
        # Ages count from the moment at which the clock was set, where it was: a wrong time is no reason to let go.
        filled = max(size / limit, (now - max(self._clock_set, oldest[1])) / age if oldest else 0.0)
        self._warn(filled, [lane.name for lane in lanes if oldest and lane.cursor < oldest[0]])
        before = now - age if now - self._clock_set > age else 0.0
        over = self._file.oldest_beyond(int(size - limit), before) if filled > 1 else None
        if over is not None:
            why = "the journal is full" if size > limit else f"they have waited longer than {age / 3600:g} h"
            for lane in lanes:
                lane.let_go(over, why)
        return over

    def _warn(self, filled: float, lagging: Sequence[str]) -> None:
        if filled >= WARN_AT and not self._warned:
            self._warned = True
            self._trouble(
                "journal is filling",
                f"the journal is {100 * filled:.0f} % full, waiting for {', '.join(lagging) or 'its sinks'}; "
                "what is beyond its limits will be let go, oldest first",
            )
        elif filled < WARN_AT / 2 and self._warned:
            self._warned = False
            self._trouble("journal is filling", None)

    def _notice_clock_set(self, now: float) -> None:
        """Take note where somebody has set the clock forward: an industrial PC may start in another year."""
        monotonic = self._clock.monotonic()
        was, since = self._looked
        self._looked = now, monotonic
        if now - was - (monotonic - since) > CLOCK_SET_S:
            self._clock_set = now
            with self._file.transaction():
                self._file.note_clock_set(now)
