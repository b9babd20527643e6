import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from linecore.errors import ConnectionFailedError, RefusedError
from linecore.inspection import Decision
from linecore.testing import Always, Images, grey, make_line, run
from linecore_plugins.webhook import WebhookNotifier
from tests.plugins.inspections import alarm, inspection


class Receiver(ThreadingHTTPServer):
    """A real HTTP server on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.status = 204
        self.messages: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/s3cret"


class _Keep(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.headers.append(dict(self.headers))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def webhook(url: str, **options: object) -> WebhookNotifier:
    return WebhookNotifier(WebhookNotifier.Config.model_validate({"url": url, **options}))


def test_an_alarm_is_posted_as_json(receiver: Receiver) -> None:
    notifier = webhook(receiver.url, token="abc", headers={"X-Line": "1"})
    notifier.notify(alarm())
    notifier.stop()
    (message,) = receiver.messages
    assert message["type"] == "alarm"
    assert message["alarm"]["state"] == "raised"
    assert message["alarm"]["raised_at"] == "2026-01-02T12:00:00.000+00:00"
    assert receiver.headers[0]["Authorization"] == "Bearer abc"
    assert receiver.headers[0]["X-Line"] == "1"


@pytest.mark.parametrize(("wanted", "numbers"), [("none", []), ("rejects", [1]), ("all", [1, 2])])
def test_inspections_are_posted_where_wanted(receiver: Receiver, wanted: str, numbers: list[int]) -> None:
    notifier = webhook(receiver.url, inspections=wanted)
    notifier.record([inspection(1), inspection(2, Decision.PASS, "ok")])
    notifier.stop()
    posted = [one["sequence"] for message in receiver.messages for one in message["inspections"]]
    assert posted == numbers


def test_a_refusal_raises_and_tells_the_host_alone(receiver: Receiver) -> None:
    receiver.status = 503
    notifier = webhook(receiver.url)
    with pytest.raises(ConnectionFailedError) as caught:
        notifier.notify(alarm())
    notifier.stop()
    assert str(caught.value) == "127.0.0.1 answered 503 Service Unavailable"


def test_a_message_that_a_server_cannot_take_is_refused(receiver: Receiver) -> None:
    receiver.status = 422
    notifier = webhook(receiver.url)
    with pytest.raises(RefusedError, match="127.0.0.1 answered 422 "):
        notifier.notify(alarm())
    notifier.stop()


def test_a_server_that_is_away_raises() -> None:
    with Receiver() as server:
        url = server.url
    notifier = webhook(url)
    with pytest.raises(ConnectionFailedError, match=r"^127\.0\.0\.1 cannot be reached: ConnectError$"):
        notifier.notify(alarm())
    notifier.stop()


@pytest.mark.parametrize("url", ["ftp://example.org", "http://host:port/", "http://[::1", "nonsense"])
def test_only_http_addresses(url: str) -> None:
    with pytest.raises(ValidationError, match="https://host/path"):
        webhook(url)


@pytest.mark.parametrize("options", [{"token": "tök"}, {"headers": {"X": "a\nb"}}])
def test_only_what_fits_a_header(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        webhook("http://host/", **options)


def test_a_line_posts_its_rejects(receiver: Receiver) -> None:
    plugins = {
        "images": Images([grey()] * 3),
        "judge": Always(),
        "webhook": webhook(receiver.url, inspections="rejects"),
    }
    run(make_line(plugins))
    assert sum(len(message["inspections"]) for message in receiver.messages) == 3
