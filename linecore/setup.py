"""What a line runs with: its plugins, its rules, its settings, from one version of its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition

from linecore.alarms import AlarmRule
from linecore.config import LineSettings, PluginTable
from linecore.decision import DecisionRules
from linecore.inspector import Inspector
from linecore.roster import Roster


@dataclass(slots=True, eq=False)
class Setup:
    """One version of a line's configuration; a frame is judged from beginning to end by one of them."""

    settings: LineSettings
    rules: DecisionRules
    alarms: Sequence[AlarmRule]
    roster: Roster
    inspector: Inspector
    config_hash: str
    tables: tuple[PluginTable, ...] = ()
    _users: int = 0
    _changed: Condition = field(default_factory=Condition)

    def __enter__(self) -> Setup:
        with self._changed:
            self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._users -= 1
            self._changed.notify_all()

    def wait_until_unused(self, timeout_s: float) -> bool:
        """Wait until no frame is being judged with it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._users == 0, timeout_s)
