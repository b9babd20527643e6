from collections.abc import Iterator

import pytest

from tests.conftest import skip_or_fail
from tests.plugins.nats.servers import SERVER, ask, stream_name


@pytest.fixture(scope="session")
def server() -> str:
    """The address of a server with JetStream."""
    try:
        ask(SERVER, lambda client: client.jetstream().account_info())
    except Exception as error:
        skip_or_fail(f"no NATS with JetStream at {SERVER}: {error}")
    return SERVER


@pytest.fixture
def stream(server: str) -> Iterator[str]:
    """A name for streams of this test's own."""
    with stream_name(server) as name:
        yield name
