"""How a line is, as one JSON object: what `linecore status` shows and a monitoring system reads."""

from __future__ import annotations

import os
from collections.abc import Mapping

from linecore.health import PluginHealth
from linecore.journal_file import JournalFile
from linecore.lanes import LaneState
from linecore.ledger import Balance, balances
from linecore.line import Line
from linecore.messages import Json, alarm_message, time_text
from linecore.packing import KINDS
from linecore.process import usage

SCHEMA_VERSION = 1
MIB = 1024 * 1024


def status_of(line: Line) -> dict[str, Json]:
    """Return the status of a line that runs."""
    process, journal = usage(), line.dispatch.journal.state
    started = line.started_at
    dead = line.dispatch.journal.file.dead_counts()
    return {
        "schema_version": SCHEMA_VERSION,
        "line": line.name,
        "serving": True,
        "pid": os.getpid(),
        "started_at": None if started is None else time_text(started),
        "uptime_s": None if started is None else round((line.clock.now() - started).total_seconds(), 1),
        "config_hash": line.config_hash,
        "ledger": {source: _balance(line.dispatch.ledger.balance(source)) for source in line.dispatch.ledger.sources},
        "total": {source: _balance(balance) for source, balance in line.dispatch.total.items()},
        "since": time_text(line.dispatch.journal.file.began),
        "sources": {name: _source_state(line, name) for name in line.sources},
        "intake": {"waiting": len(line.intake), "workers": line.crew.count, "left_behind": line.crew.left_behind},
        "sinks": {
            **{one.sink: _sink(one, dead.get(one.sink, 0)) for one in line.dispatch.states},
            **{sink: _gone(count) for sink, count in dead.items() if line.dispatch.lane(sink) is None},
        },
        "journal": {
            "entries": journal.entries,
            "mb": round(journal.bytes / MIB, 3),
            "oldest_s": round(journal.oldest_s, 1),
            "unwritten": journal.unwritten,
            "trouble": journal.trouble,
        },
        "plugins": {one.plugin: _health(one) for one in line.health},
        "alarms": [alarm_message(alarm) for alarm in line.alarms],
        "process": {
            "resident_mb": round(process.resident / MIB, 1),
            "threads": process.threads,
            "files": process.files,
        },
    }


def status_at_rest(name: str, file: JournalFile, captured: Mapping[str, int]) -> dict[str, Json]:
    """Return what is known of a line that nobody serves: what its journal holds, and how many frames were captured."""
    dead, cursors = file.dead_counts(), file.cursors()
    last, (entries, size) = file.last_seq(), file.size()
    return {
        "schema_version": SCHEMA_VERSION,
        "line": name,
        "serving": False,
        "total": ledger_since(file, captured),
        "since": time_text(file.began),
        "sinks": {
            sink: {"waiting": file.count_entries(seq, last, KINDS), "dead": dead.get(sink, 0)}
            for sink, seq in cursors.items()
        },
        "journal": {"entries": entries, "mb": round(size / MIB, 3)},
    }


def ledger_since(file: JournalFile, captured: Mapping[str, int]) -> dict[str, Json]:
    """Return the balance of each source since the journal began; what has not ended was on its way."""
    found: dict[str, Json] = {}
    for source, one in balances(captured, file.counts()[1]).items():
        ended = one.recorded + sum(one.dropped.values())
        # Captured is counted first, in memory; a loss of power may have taken the last of it.
        taken = max(one.captured, ended)
        found[source] = _balance(Balance(taken, one.recorded, taken - ended, one.dropped))
    return found


def _balance(balance: Balance) -> dict[str, Json]:
    return {
        "captured": balance.captured,
        "recorded": balance.recorded,
        "dropped": dict(balance.dropped),
        "in_flight": balance.in_flight,
        "balanced": balance.balanced,
    }


def _source_state(line: Line, name: str) -> str:
    if name in line.broken_sources:
        return "failed"
    return "running" if name in line.feed.running else "dry"


def _sink(state: LaneState, dead: int) -> dict[str, Json]:
    return {
        "state": state.state,
        "waiting": state.waiting,
        "dropped": state.dropped,
        "dead": dead,
        "attempt": state.attempt,
        "error": state.error,
        "left_behind": state.left_behind,
    }


def _gone(dead: int) -> dict[str, Json]:
    """Return the state of a sink that is no longer in the file, and has left dead letters."""
    return {"state": "gone", "waiting": 0, "dead": dead}


def _health(health: PluginHealth) -> dict[str, Json]:
    return {
        "calls": health.calls,
        "failures": health.failures,
        "error": health.error,
        "busy": [{"hook": call.hook, "seconds": round(call.seconds, 3)} for call in health.busy],
    }
