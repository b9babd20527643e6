"""Frames that one line captures and another one judges."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event as Flag

import pytest

from linecore.errors import ConfigError
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Frame
from linecore.testing import Always, Images, Recorder, grey, make_line, run


class Relay(Images):
    """Yields the frames of another line."""

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield each frame under its own name."""
        for frame in super().frames(stopping):
            yield replace(frame, id=f"edge/left/{frame.sequence}", line="edge", source="left")


def test_a_frame_of_another_line_is_settled_with_the_source_that_has_yielded_it() -> None:
    relay, sink = Relay([grey(), grey()]), Recorder()
    balance = run(make_line({"relay": relay, "judge": Always(), "sink": sink}))
    assert [one.frame.source for one in sink.inspections] == ["left", "left"]
    assert sorted(relay.settled) == ["edge/left/0", "edge/left/1"]
    assert balance.recorded == 2


def test_a_frame_that_its_source_holds_unfit_is_not_judged() -> None:
    class Unfit(Images):
        @hookimpl
        def frames(self, stopping: Flag) -> Iterator[Frame]:
            yield from (replace(frame, unfit="it came broken") for frame in super().frames(stopping))

    sink = Recorder()
    run(make_line({"images": Unfit([grey()]), "judge": Always(), "sink": sink}))
    verdict = sink.inspections[0].verdict
    assert (verdict.decision, verdict.reason) == (Decision.NO_RESULT, "it came broken")


class Forwarder(Recorder):
    forwards = True


def test_a_line_that_forwards_needs_no_classifier() -> None:
    sink = Forwarder()
    run(make_line({"images": Images([b"not even decoded"]), "sink": sink}))
    assert sink.inspections[0].verdict.reason == "not judged here: forwarded"
    with pytest.raises(ConfigError, match="has no classifier"):
        make_line({"images": Images([grey()]), "sink": Recorder()}).start()
