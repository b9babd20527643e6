from threading import Event as Flag

import pytest

from linecore.aside import AT_ONCE, Aside
from linecore.testing import PATIENCE_S


def test_what_is_done_aside_is_done_and_waited_for() -> None:
    done: list[int] = []
    assert Aside("telling").run(lambda: done.append(1), PATIENCE_S)
    assert done == [1]


def test_what_hangs_is_not_waited_for_and_not_repeated_without_end(caplog: pytest.LogCaptureFixture) -> None:
    aside, let_go = Aside("telling"), Flag()
    try:
        for _ in range(AT_ONCE):
            assert not aside.run(lambda: let_go.wait(PATIENCE_S), 0.001)
        assert not aside.run(lambda: None, PATIENCE_S)
        assert f"telling: {AT_ONCE} calls hang, so one more is not made" in caplog.text
    finally:
        let_go.set()


def test_what_raises_raises_for_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise SystemExit(3)

    assert Aside("telling").run(fail, PATIENCE_S)
    assert "telling failed" in caplog.text
