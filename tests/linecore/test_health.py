import pytest

from linecore.clock import SystemClock
from linecore.health import Health


class Clock(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_a_plugin_is_busy_while_it_is_called_and_stuck_after_too_long() -> None:
    clock = Clock()
    health = Health("files", clock)
    with health.calling("record"):
        clock.seconds = 3
        (call,) = health.snapshot().busy
        assert (call.hook, call.seconds) == ("record", 3)
        assert health.snapshot().stuck(5) is None
        clock.seconds = 6
        assert health.snapshot().stuck(5) is not None
    assert health.snapshot().busy == ()
    assert (health.snapshot().calls, health.snapshot().failures, health.snapshot().error) == (1, 0, None)


def test_failures_are_counted_and_told_without_secrets() -> None:
    health = Health("webhook", SystemClock(), lambda text: text.replace("s3cret", "***"))
    with pytest.raises(OSError, match="s3cret"), health.calling("record"):
        raise OSError("no s3cret")
    health.failed(SystemExit(2))
    assert (health.snapshot().calls, health.snapshot().failures) == (1, 2)
    assert health.snapshot().error == "SystemExit: 2"
