import io
from collections.abc import Sequence
from threading import Event as Flag

from rich.console import Console

from linecore.alarms import AlarmState
from linecore.config import LineSettings
from linecore.events import SinkStalled
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Inspection
from linecore.testing import Always, Images, Listener, Recorder, grey, make_line
from linecore_plugins.console import ConsoleSink
from tests.plugins.inspections import alarm, inspection


def console_of(**options: str) -> tuple[ConsoleSink, io.StringIO]:
    text = io.StringIO()
    config = ConsoleSink.Config.model_validate(options)
    return ConsoleSink(config, Console(file=text, width=100, soft_wrap=True, highlight=False)), text


def printed(sink: ConsoleSink, text: io.StringIO, *inspections: Inspection) -> list[str]:
    sink.start(make_line({"images": Images([])}))
    sink.record(inspections)
    sink.stop()
    return text.getvalue().splitlines()


def test_a_line_for_each_verdict() -> None:
    sink, text = console_of()
    lines = printed(sink, text, inspection(1, Decision.PASS, "ok"), inspection(2, Decision.NO_RESULT))
    assert lines == [
        "12:00:00 PASS      ok 0.97  line-1/folder/1",
        "12:00:00 NO_RESULT scratches 0.97  line-1/folder/2  (bad image: empty)",
    ]


def test_rejects_alone_or_nothing() -> None:
    sink, text = console_of(verdicts="rejects")
    assert len(printed(sink, text, inspection(1, Decision.PASS, "ok"), inspection(2))) == 1
    sink, text = console_of(verdicts="none")
    assert printed(sink, text, inspection(1)) == []


def test_a_change_of_an_alarm_is_a_line() -> None:
    sink, text = console_of()
    sink.start(make_line({"images": Images([])}))
    sink.notify(alarm())
    sink.notify(alarm(AlarmState.CLEARED))
    sink.stop()
    assert text.getvalue().splitlines() == [
        "ALARM raised burst (high): 3 of 5",
        "ALARM cleared burst (high): 3 of 5",
    ]


def test_a_file_name_with_markup_or_control_characters_stays_one_plain_line() -> None:
    sink, text = console_of()
    lines = printed(sink, text, inspection(1, key="[red]a\nb\x1b[2J.jpg"))
    assert lines == ["12:00:00 FAIL      scratches 0.97  line-1/folder/[red]a\\nb\\x1b[2J.jpg"]


def test_the_console_names_a_sink_that_sleeps_and_one_that_raises() -> None:
    class Sleeps(Recorder):
        woken = Flag()

        @hookimpl
        def record(self, inspections: Sequence[Inspection]) -> None:
            while not self.woken.wait(0.01):  # its turn may end
                pass

    class Raises(Recorder):
        @hookimpl
        def record(self, inspections: Sequence[Inspection]) -> None:
            raise OSError("disk full")

    sink, text = console_of(verdicts="none")
    sleeps = Sleeps()
    settings = LineSettings(name="test", sink_timeout_s=0.01, sink_attempts=1, drain_timeout_s=1)
    plugins = {"images": Images([grey()]), "judge": Always(), "sleeps": sleeps, "raises": Raises(), "console": sink}
    line = make_line(plugins, settings=settings)
    listener = Listener(line)
    line.start()
    listener.wait_for(SinkStalled)
    sleeps.woken.set()
    line.stop()
    assert "sink sleeps has not returned for 0.01 s, so its turn is over; " in text.getvalue()
    assert "sink raises failed (attempt 1): OSError: disk full" in text.getvalue()
    assert "line test stopped: 1 captured = 1 recorded" in text.getvalue()
