"""One attempt to reach a NATS server and to be let in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import nats.errors
import nkeys
from nats.aio.client import Client

from linecore.errors import ConfigError
from linecore_plugins.nats.access import ServerOptions, connect_arguments
from linecore_plugins.nats.trouble import sentence

PING_S = 5  # a link that was cut without a word is noticed after some three of these
CONNECT_S = 5  # at most


async def log_in(client: Client, options: ServerOptions, key: str, ended: asyncio.Event) -> None:
    """Connect *client*, trying every server of the list; *ended* is set when the connection is lost.

    Raises:
        ConfigError: a server answers, and refuses; the sentence begins with *key*.
        OSError: none can be reached.
        nats.errors.Error: one answers what no NATS server would.
    """
    seen = [OSError("no server answers")]

    async def failed(error: Exception) -> None:
        seen.append(error if isinstance(error, OSError) else OSError(sentence(error)))

    async def closed() -> None:
        ended.set()

    def refused(reason: str, wish: str) -> ConfigError:
        return ConfigError(f"{key}.url is '{options.address}', and {reason}; {wish}")

    def speaks_plainly() -> bool:
        # The client would go on without TLS where the server, or a stranger in between, announces none.
        return options.uses_tls and not client._server_info.get("tls_required")

    plain = refused("it offers no TLS", "use nats://, or give the server a certificate")

    def secret(value: str | None) -> Callable[[], str] | None:
        def show() -> str:
            if speaks_plainly():
                raise plain
            return value or ""

        return show if value is not None else None

    login = options.login
    try:
        await client.connect(
            **connect_arguments(options, key),
            user=secret(login.user),
            password=secret(login.password),
            token=secret(login.token),
            name=f"linecore {key}",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,  # between two servers of the list
            connect_timeout=max(1, int(min(CONNECT_S, options.timeout_s))),
            ping_interval=PING_S,
            max_outstanding_pings=2,
            error_cb=failed,
            closed_cb=closed,
        )
    except nkeys.NkeysError:
        named = "nkey" if options.nkey is not None else "credentials"
        path = options.nkey if options.nkey is not None else options.credentials
        raise ConfigError(f"{key}.{named} is '{path}', which holds no seed of an nkey; name another file") from None
    except nats.errors.NoServersError:
        raise seen[-1] from None
    except ssl.SSLError as error:
        raise refused(f"TLS fails: {error.reason or error}", "see tls_ca and tls_certificate") from None
    except nats.errors.Error as error:
        if "authoriz" in str(error).lower() or "authentic" in str(error).lower():
            raise refused("it refuses the login", "set user and password, or what it asks for") from None
        raise
    if speaks_plainly():
        raise plain
