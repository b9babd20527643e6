from datetime import UTC, datetime
from threading import Event as Flag
from typing import get_args

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from linecore.clock import Clock
from linecore.inspection import Frame
from linecore.testing import Always, Recorder, make_line, run
from linecore_plugins.simulator import Defect, SimulatorSource
from linecore_plugins.steel.strip import DEFECTS


def simulator(**options: object) -> SimulatorSource:
    return SimulatorSource(SimulatorSource.Config.model_validate({"width": 64, "height": 64, **options}))


def frames(*, stopping: Flag | None = None, clock: Clock | None = None, **options: object) -> list[Frame]:
    source = simulator(**options)
    source.start(make_line({"sim": source, "judge": Always()}, clock=clock))
    return list(source.frames(stopping or Flag()))


class HeldClock:
    """Stands still until somebody waits."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


class Waiting(Flag):
    """A flag on which waiting takes no time but the clock's; and, once, *delay* more."""

    def __init__(self, clock: HeldClock, delay: float = 0.0) -> None:
        super().__init__()
        self.waited: list[float] = []
        self._clock, self._delay = clock, delay

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(round(timeout, 6))
        self._clock.seconds += timeout + self._delay
        self._delay = 0.0
        return self.is_set()


def test_a_line_inspects_every_frame_and_the_truth_goes_along() -> None:
    sink = Recorder()
    balance = run(make_line({"sim": simulator(frames=20), "judge": Always(), "sink": sink}))
    assert (balance.captured, balance.recorded) == (20, 20)
    assert {one.frame.id for one in sink.inspections} == {f"test/sim/0-{n}" for n in range(20)}
    assert all(one.frame.truth is not None for one in sink.inspections)


def test_a_second_run_offers_the_same_frames_under_the_same_ids() -> None:
    once, again = frames(frames=12, seed=4), frames(frames=12, seed=4)
    assert [frame.id for frame in once] == [frame.id for frame in again]
    assert [frame.truth for frame in once] == [frame.truth for frame in again]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(once, again, strict=True))


def test_another_seed_offers_other_frames_under_other_ids() -> None:
    ids = {frame.id for seed in (1, 2) for frame in frames(frames=5, seed=seed)}
    assert len(ids) == 10


def test_the_defect_rate_is_kept() -> None:
    defective = [frame.truth.label != "ok" for frame in frames(frames=400, defect_rate=0.25) if frame.truth]
    assert np.mean(defective) == pytest.approx(0.25, abs=0.07)
    assert {frame.truth.label for frame in frames(frames=30, defect_rate=0) if frame.truth} == {"ok"}


def test_only_the_labels_asked_for_are_drawn() -> None:
    drawn = {
        frame.truth.label for frame in frames(frames=40, defect_rate=1, labels=["crazing", "scratches"]) if frame.truth
    }
    assert drawn == {"crazing", "scratches"}


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_frames_can_come_as_files(encoding: str) -> None:
    for raw, file in zip(frames(frames=5), frames(frames=5, encoding=encoding), strict=True):
        assert file.encoded is not None
        assert file.image.size == 0
        decoded = cv2.imdecode(np.frombuffer(file.encoded, np.uint8), cv2.IMREAD_UNCHANGED)
        assert decoded is not None
        assert decoded.shape == raw.image.shape
        assert np.abs(decoded.astype(int) - raw.image).mean() <= (0 if encoding == "png" else 3)


def test_each_frame_knows_its_coil_and_metre() -> None:
    rolled = frames(frames=7, coil="HR7", coil_length=1.5, metres_per_frame=0.5)
    assert [frame.part.coil for frame in rolled] == ["HR7-1"] * 3 + ["HR7-2"] * 3 + ["HR7-3"]
    assert [frame.part.metre for frame in rolled] == [0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 0.0]


def test_a_coil_is_not_cut_short_by_rounding() -> None:
    assert frames(frames=4, coil_length=0.3, metres_per_frame=0.1)[2].part.coil == "coil-1"


def test_it_ends_when_the_line_stops() -> None:
    stopping = Flag()
    source = simulator()
    source.start(make_line({"sim": source, "judge": Always()}))
    endless = source.frames(stopping)
    next(endless)
    stopping.set()
    assert list(endless) == []


def test_it_keeps_a_steady_rate() -> None:
    clock = HeldClock()
    stopping = Waiting(clock)
    assert len(frames(frames=5, fps=4, clock=clock, stopping=stopping)) == 5
    assert stopping.waited == [0, 0.25, 0.25, 0.25, 0.25]


def test_it_does_not_catch_up_in_a_burst_after_a_wait() -> None:
    clock = HeldClock()
    stopping = Waiting(clock, delay=10.0)
    frames(frames=5, fps=4, clock=clock, stopping=stopping)
    assert clock.seconds >= 110 + 3 * 0.25
    assert sum(wait == 0 for wait in stopping.waited) <= 2


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"frames": 0}, "frames"),
        ({"fps": 0}, "fps"),
        ({"defect_rate": 1.5}, "defect_rate"),
        ({"labels": []}, "labels"),
        ({"labels": ["rust"]}, "labels"),
        ({"encoding": "gif"}, "encoding"),
        ({"size": 200}, "size"),
        ({"coil_length": 0.1}, "coil_length must be at least metres_per_frame, which is 0.5"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        simulator(**options)


def test_the_config_knows_every_defect() -> None:
    assert get_args(Defect) == DEFECTS
