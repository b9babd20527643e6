from datetime import UTC, datetime

from linecore.inspection import Decision, Frame, Inspection, Timings, Verdict
from linecore.journal import Journal


def inspection(number: int) -> Inspection:
    now = datetime.now(UTC)
    return Inspection(Frame(str(number), "test", "camera", number, now), Verdict(Decision.PASS), Timings(), now)


def test_a_frame_is_safe_when_every_durable_sink_holds_it() -> None:
    safe: list[Frame] = []
    journal = Journal(["database", "archive"], safe.append)
    one = inspection(1)
    journal.append(one)
    journal.strike_off("database", [one])
    journal.strike_off("database", [one])
    journal.strike_off("console", [one])
    assert safe == []
    journal.strike_off("archive", [one])
    assert safe == [one.frame]
    assert len(journal) == 0


def test_without_durable_sinks_a_decided_frame_is_as_safe_as_it_gets() -> None:
    safe: list[Frame] = []
    Journal([], safe.append).append(one := inspection(1))
    assert safe == [one.frame]


def test_striking_off_again_tells_nobody_twice() -> None:
    safe: list[Frame] = []
    journal = Journal(["database"], safe.append)
    journal.append(one := inspection(1))
    journal.strike_off("database", [one])
    journal.strike_off("database", [one])
    assert safe == [one.frame]
