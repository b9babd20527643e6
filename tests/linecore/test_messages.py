import json
from dataclasses import replace

import numpy as np

from linecore.inspection import Decision, Verdict
from linecore.messages import alarm_message, inspection_message, number, text
from tests.plugins.inspections import alarm, inspection


def test_an_inspection_tells_everything_but_its_pixels() -> None:
    message = inspection_message(inspection(7))
    assert json.loads(json.dumps(message)) == message
    assert message["frame_id"] == "line-1/folder/7"
    assert message["decision"] == "FAIL"
    assert message["scores"] == {"scratches": 0.97, "ok": 0.03}
    assert message["regions"] == [{"box": [20, 4, 24, 8], "area": 16, "score": 1.0}]
    assert message["peak"] == [20, 4]
    assert message["part"] == {"coil": "C7", "metre": 1.5}
    assert message["captured_at"] == "2026-01-02T12:00:00.000+00:00"
    assert message["latency_ms"] == 6.0


def test_an_inspection_without_an_explanation() -> None:
    message = inspection_message(inspection(1, Decision.NO_RESULT, explained=False))
    assert (message["regions"], message["peak"], message["reason"]) == ([], None, "bad image: empty")


def test_what_came_late_is_marked() -> None:
    in_time = inspection_message(inspection(1))
    assert (in_time["buffered"], in_time["late"]) == (False, None)
    late = Verdict(Decision.PASS, "ok", 0.9)
    message = inspection_message(replace(inspection(1, Decision.NO_RESULT), buffered=True, late=late))
    assert message["decision"] == "NO_RESULT"
    assert message["buffered"] is True
    assert message["late"] == {"decision": "PASS", "label": "ok", "confidence": 0.9}


def test_an_alarm() -> None:
    message = alarm_message(alarm())
    assert json.loads(json.dumps(message)) == message
    assert (message["state"], message["priority"], message["frame_ids"]) == ("raised", "high", ["line-1/folder/1"])


def test_what_json_or_utf_8_cannot_hold() -> None:
    assert number(float("nan")) is None
    assert number(np.float32(0.1).item()) == 0.1
    assert text("a\udcff") == "a\\udcff"
