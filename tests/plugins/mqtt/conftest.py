import socket
import uuid

import pytest

from tests.conftest import skip_or_fail
from tests.plugins.mqtt.brokers import BROKER, port_of


@pytest.fixture(scope="session")
def broker() -> str:
    """The address of a broker."""
    try:
        socket.create_connection(("127.0.0.1", port_of(BROKER)), 2).close()
    except OSError as error:
        skip_or_fail(f"no MQTT broker at {BROKER}: {error}")
    return BROKER


@pytest.fixture
def site() -> str:
    """A third level of topics that nobody else has; a test leaves nothing retained but on its own."""
    return f"test-{uuid.uuid4().hex[:12]}"
