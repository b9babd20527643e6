"""Inspections, alarms and the log on a second stream."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.aio.client import Client

from linecore.alarms import AlarmRule
from linecore.log import DROPPED, LogEntry
from linecore.messages import inspection_message
from linecore.testing import Always, Images, Recorder, make_line, run
from linecore_plugins.nats.publisher import NatsPublisher
from tests.plugins.nats.lines import options, pictures
from tests.plugins.nats.servers import ask, private_server


def publisher(url: str, stream: str, **more: Any) -> NatsPublisher:
    return NatsPublisher(NatsPublisher.Config(**options(url, stream, **more)))


def published(url: str, stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what is in a stream, but for the line's own beginning and end."""

    async def read(client: Client) -> list[tuple[str, dict[str, Any]]]:
        js = client.jetstream()
        count = (await js.stream_info(stream)).state.messages
        found = [await js.get_msg(stream, number + 1) for number in range(count)]
        told = [((one.subject or "").removeprefix(f"{stream.lower()}."), json.loads(one.data or b"")) for one in found]
        return [one for one in told if one[1].get("kind") not in ("line started", "ledger", "line stopped")]

    return ask(url, read)


def test_inspections_and_alarms_are_published_in_order(server: str, stream: str) -> None:
    sink = Recorder()
    plugins = {"left": Images(pictures(5)), "judge": Always(), "nats": publisher(server, stream), "sink": sink}
    run(make_line(plugins, alarms=[AlarmRule(name="any", count=1, of=1)]))
    messages = published(server, stream)
    inspections = [message for subject, message in messages if subject == "test.inspection"]
    assert inspections == [inspection_message(one) for one in sink.inspections]
    alarms = [message["state"] for subject, message in messages if subject == "test.alarm"]
    assert alarms == ["raised", "cleared"]


@pytest.mark.parametrize(("label", "wish", "count"), [("ok", "rejects", 0), ("bad", "rejects", 3), ("bad", "none", 0)])
def test_what_is_wanted_is_published(server: str, stream: str, label: str, wish: str, count: int) -> None:
    nats = publisher(server, stream, inspections=wish)
    run(make_line({"left": Images(pictures(3)), "judge": Always(label), "nats": nats}))
    assert len(published(server, stream)) == count


def test_what_is_recorded_twice_is_there_once(server: str, stream: str) -> None:
    entry = LogEntry("1", "test", datetime(2026, 1, 1, tzinfo=UTC), DROPPED, "Frame a was dropped.", "left", {"n": 1})
    for _ in range(2):  # a new plugin knows nothing of what the first has sent
        nats = publisher(server, stream)
        sink = Recorder()
        line = make_line({"left": Images(pictures(2)), "judge": Always(), "nats": nats, "sink": sink})
        line.prepare()
        nats.log([entry])
        line.release()
        run(make_line({"left": Images(pictures(2)), "judge": Always(), "nats": publisher(server, stream)}))
    (log, *inspections) = published(server, stream)
    assert log == (
        "test.log",
        {
            "schema_version": 1,
            "id": "1",
            "line": "test",
            "at": "2026-01-01T00:00:00.000+00:00",
            "kind": "frame dropped",
            "message": "Frame a was dropped.",
            "source": "left",
            "detail": {"n": 1},
        },
    )
    assert [message["frame_id"] for _, message in inspections] == ["test/left/0", "test/left/1"]


def test_what_cannot_be_published_now_is_published_later(tmp_path: Any) -> None:
    with private_server(tmp_path) as server:
        nats = publisher(server.url, "S", retry_max_s=0.2, timeout_s=2)
        line = make_line({"left": Images(pictures(200)), "judge": Always(), "nats": nats})
        line.start()
        server.stop()
        assert line.exhausted.wait(20)
        server.start()
        assert line.stop().recorded == 200
        ids = [message["frame_id"] for _, message in published(server.url, "S")]
    assert len(ids) == len(set(ids)) == 200
