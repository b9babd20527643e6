"""Dead letters, for whoever lists them or has them offered again."""

from __future__ import annotations

from collections.abc import Sequence

from linecore.errors import ConfigError
from linecore.journal_file import DeadLetter, JournalFile
from linecore.lanes import Lane
from linecore.line import Line
from linecore.messages import Json

PATIENCE_S = 60.0  # for all letters together


def letters(dead: Sequence[DeadLetter]) -> list[Json]:
    """Return dead letters as JSON, without what they hold."""
    return [
        {
            "id": one.id,
            "sink": one.sink,
            "at": one.at,
            "attempts": one.attempts,
            "error": one.error,
            "kind": one.packed.kind,
            "name": one.packed.name,
            "bytes": one.packed.nbytes,
        }
        for one in dead
    ]


def discard_letters(file: JournalFile, ids: Sequence[int]) -> None:
    """Let dead letters go for good.

    Raises:
        ConfigError: there is no such letter; nothing is let go.
    """
    if strangers := set(ids) - {one.id for one in file.dead()}:
        raise ConfigError(f"there is no dead letter {', '.join(map(str, sorted(strangers)))}")
    with file.transaction():
        file.raise_dead(ids)


def replay_letters(line: Line, sink: Json, ids: Json) -> Json:
    """Offer dead letters of a line that runs once more, of one sink or those of *ids*, and say what became of them.

    Raises:
        ConfigError: there is no such letter.
    """
    dead = line.dispatch.journal.dead(None if sink is None else str(sink))
    if isinstance(ids, list) and ids:
        if strangers := set(ids) - {one.id for one in dead}:
            raise ConfigError(f"there is no dead letter {', '.join(map(str, sorted(map(str, strangers))))}")
        dead = [one for one in dead if one.id in ids]
    replays = [
        replay
        for name in {one.sink: None for one in dead}
        if isinstance(lane := line.dispatch.lane(name), Lane)
        for replay in lane.replay([one for one in dead if one.sink == name])
    ]
    gone = [one for one in dead if not isinstance(line.dispatch.lane(one.sink), Lane)]
    until = line.clock.monotonic() + PATIENCE_S
    for replay in replays:
        if not replay.done.wait(max(0.0, until - line.clock.monotonic())):
            replay.error = "its sink is in trouble; it is offered when that is over"
    errors = [f"letter {one.letter.id} to {one.letter.sink}: {one.error}" for one in replays if one.error is not None]
    delivered = len(replays) - len(errors)
    errors += [f"letter {one.id}: its sink {one.sink} is no longer in the file" for one in gone]
    return {"offered": len(dead), "delivered": delivered, "errors": [*errors]}
