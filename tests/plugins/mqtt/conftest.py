import socket
import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import skip_or_fail
from tests.plugins.mqtt.brokers import BROKER, forget, port_of


@pytest.fixture(scope="session")
def broker() -> str:
    """The address of a broker."""
    try:
        socket.create_connection(("127.0.0.1", port_of(BROKER)), 2).close()
    except OSError as error:
        skip_or_fail(f"no MQTT broker at {BROKER}: {error}")
    return BROKER


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[str]:
    """A third level of topics that nobody else has; nothing stays on it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    if "broker" in request.fixturenames:
        forget(BROKER, f"linecore/v1/{name}/#")
