"""What the journal writes comes back as it was."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np

from linecore.inspection import (
    NOT_DECODED,
    Decision,
    Evidence,
    Explanation,
    Inspection,
    Part,
    Region,
    Timings,
    Truth,
    Verdict,
)
from linecore.packing import ALARM, INSPECTION, LOG, Packed, kind_of, name_of, pack, unpack, weight_of
from linecore.testing import grey
from tests.linecore.deliveries import entry
from tests.plugins.inspections import MODEL, NOON, alarm, inspection

PNG = cv2.imencode(".png", np.arange(64, dtype=np.uint8).reshape(8, 8))[1].tobytes()


def back(one: Inspection, *, pixels: bool = True) -> Inspection:
    found = unpack(pack(one, pixels=pixels))
    assert isinstance(found, Inspection)
    return found


def full() -> Inspection:
    one = inspection(7, image=np.arange(32 * 32, dtype=np.uint32).astype(np.uint8).reshape(32, 32))
    part = Part("s", "l", "o", "t", "c", "top", 1.5, 2.5)
    frame = replace(one.frame, part=part, truth=Truth("scratches", ((1, 2, 3, 4), (5, 6, 7, 8))))
    return replace(
        one,
        frame=frame,
        late=Verdict(Decision.PASS, "ok", 0.9, 0.5, None, MODEL, {"ok": 0.9}),
        evidence=(Evidence("image", "a.png"), Evidence("overlay", "b.png")),
        config_hash="cd" * 32,
    )


def test_every_field_of_an_inspection_comes_back() -> None:
    one = full()
    found = back(one)
    for field in ("id", "line", "source", "sequence", "captured_at", "encoded", "part", "origin", "truth"):
        assert getattr(found.frame, field) == getattr(one.frame, field), field
    for field in ("verdict", "late", "timings", "completed_at", "evidence", "config_hash", "buffered"):
        assert getattr(found, field) == getattr(one, field), field
    assert np.array_equal(found.frame.image, one.frame.image)
    assert not found.frame.image.flags.writeable
    assert found.explanation is not None
    assert one.explanation is not None
    for field in ("method", "label", "regions", "peak"):
        assert getattr(found.explanation, field) == getattr(one.explanation, field), field
    assert np.allclose(found.explanation.heatmap, one.explanation.heatmap, atol=1 / 255)
    assert found.explanation.heatmap.dtype == np.float32


def test_a_colour_picture_an_encoded_one_and_none_at_all_come_back() -> None:
    colour = np.random.default_rng(1).integers(0, 256, (5, 6, 3), np.uint8)
    assert np.array_equal(back(inspection(image=colour, explained=False)).frame.image, colour)
    encoded = back(inspection(image=grey(), encoded=PNG))
    assert encoded.frame.encoded == PNG
    assert encoded.frame.image.shape == (32, 32)
    assert encoded.explanation is not None
    nothing = inspection(explained=False)
    nothing = replace(nothing, frame=replace(nothing.frame, image=NOT_DECODED, encoded=PNG))
    assert back(nothing).frame.image.shape == (0, 0)
    assert back(nothing).frame.encoded == PNG


def test_without_pixels_the_size_and_the_peak_are_what_is_left() -> None:
    one = full()
    packed = pack(one, pixels=False)
    assert packed.pixels is None
    found = unpack(packed)
    assert isinstance(found, Inspection)
    assert found.frame.image.shape == one.frame.image.shape
    assert not found.frame.image.any()
    assert found.explanation is not None
    assert one.explanation is not None
    assert found.explanation.peak == one.explanation.peak
    assert found.explanation.regions == one.explanation.regions
    assert found.verdict == one.verdict


def test_a_mask_comes_back_and_the_hottest_pixel_stays_the_hottest() -> None:
    heatmap = np.full((4, 5), 0.5, np.float32)
    heatmap[2, 3] = 0.5001  # as hot as the others, once it is rounded
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 1:4] = 255
    explained = Explanation(heatmap, "test", "scratches", (Region((1, 1, 4, 3), 6, 0.5),), mask)
    found = back(replace(inspection(image=grey(128, 4, 5)), explanation=explained)).explanation
    assert found is not None
    assert found.mask is not None
    assert np.array_equal(found.mask, mask)
    assert found.peak == (3, 2)
    faint = replace(
        explained, heatmap=np.where(mask > 0, np.float32(1e-4), np.float32(0)).astype(np.float32), mask=None
    )
    found = back(replace(inspection(image=grey(128, 4, 5)), explanation=faint)).explanation
    assert found is not None
    assert found.peak == (1, 1)


def test_what_is_no_number_and_ids_that_are_no_characters_come_back() -> None:
    one = inspection(key="\udcff.png")
    one = replace(
        one,
        verdict=replace(one.verdict, novelty=math.nan, confidence=math.inf, scores={"a": math.nan}),
        timings=Timings(math.nan),
    )
    packed = pack(one)
    packed.name.encode()  # SQLite takes it
    found = unpack(packed)
    assert isinstance(found, Inspection)
    assert found.frame.id == one.frame.id
    assert found.verdict.novelty is not None
    assert math.isnan(found.verdict.novelty)
    assert found.verdict.confidence == math.inf
    assert math.isnan(found.timings.wait)


def test_numbers_of_numpy_and_words_that_are_paths_are_taken() -> None:
    one = inspection(explained=False)
    wrong = Evidence("image", Path("a.png"))  # type: ignore[arg-type]  # as a plugin may have it
    one = replace(one, frame=replace(one.frame, sequence=np.int64(3)), evidence=(wrong,))  # type: ignore[arg-type]
    found = back(one)
    assert found.frame.sequence == 3
    assert found.evidence == (Evidence("image", "a.png"),)


def test_alarms_and_log_entries_come_back() -> None:
    for one, kind in ((alarm(), ALARM), (entry(1), LOG)):
        assert kind_of(one) == kind
        assert unpack(pack(one)) == one
    assert asdict(entry(1))["at"] == NOON
    assert kind_of(inspection()) == INSPECTION
    assert name_of(inspection(3)) == "line-1/folder/3"


def test_what_has_no_pictures_weighs_something_too() -> None:
    assert weight_of(entry(1)) > 0
    assert weight_of(inspection()) == inspection().nbytes + weight_of(entry(1))
    assert Packed("log", "ab", b"xyz", b"1234").nbytes == 9
