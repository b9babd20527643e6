"""Who is let in, and what never goes over the network in the clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nkeys
import pytest
from nats.aio.client import Client
from pydantic import ValidationError

from linecore.errors import ConfigError
from linecore.testing import Recorder
from linecore_plugins.nats.access import ServerOptions
from linecore_plugins.nats.source import NatsSource
from tests.plugins.nats.lines import worker
from tests.plugins.nats.servers import private_server
from tests.servers import certificate


@pytest.mark.parametrize(
    ("table", "wish"),
    [
        ({"url": "127.0.0.1"}, "it must look like nats://"),
        ({"url": "nats://host:70000"}, "it must look like nats://"),
        ({"url": "http://host:4222"}, "it must look like nats://"),
        ({"user": "a", "password": "b", "token": "c"}, "by user and token; set one of them"),
        ({"user": "a"}, "user and password go together"),
        ({"tls_ca": "ca.pem"}, "need an address that begins with tls://"),
        ({"url": "tls://host", "tls_key": "key.pem"}, "tls_certificate and tls_key go together"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(table: dict[str, Any], wish: str) -> None:
    with pytest.raises(ValidationError, match=wish):
        ServerOptions(**table)


def test_secrets_are_not_shown() -> None:
    options = ServerOptions(url="nats://me:hidden@127.0.0.1:4222,nats://hidden@[::1]")
    assert options.address == "nats://127.0.0.1:4222,nats://[::1]"
    assert "hidden" not in repr(options) + repr(options.login)
    assert "hidden" not in repr(NatsSource.Config(user="a", password="hidden"))


def refusal(folder: Path, url: str, **more: Any) -> str:
    line = worker(url, "S", Recorder(), folder, **more)
    with pytest.raises(ConfigError) as caught:
        line.prepare()
    return str(caught.value)


def test_another_computer_is_not_reached_in_the_clear(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, "nats://me:hidden@192.0.2.1:4222", user=None)
    assert sentence == (
        "line.toml: plugins.nats.url is 'nats://192.0.2.1:4222', another computer without TLS; "
        "use tls://, or set allow_plaintext = true"
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, "nats://127.0.0.1:4222", credentials=tmp_path / "a.creds")
    assert f"plugins.nats.credentials is '{tmp_path / 'a.creds'}', which does not exist" in sentence


def connects(folder: Path, url: str, **more: Any) -> None:
    line = worker(url, "S", Recorder(), folder, **more)
    line.prepare()
    source = line.setup.roster["nats"]
    assert isinstance(source, NatsSource) and source._connection is not None

    async def stream(client: Client) -> str | None:
        return (await client.jetstream().stream_info("S")).config.name

    assert source._connection.run(stream) == "S"
    line.release()


def test_a_password_lets_in(tmp_path: Path) -> None:
    with private_server(tmp_path, "--user", "line", "--pass", "right") as server:
        connects(tmp_path, server.url, user="line", password="right")
        connects(tmp_path, server.url.replace("//", "//line:right@"))
        sentence = refusal(tmp_path, server.url, user="line", password="wrong")
        assert f"plugins.nats.url is '{server.url}', and it refuses the login" in sentence
        assert "wrong" not in sentence
        assert "refuses the login" in refusal(tmp_path, server.url)


def test_a_token_lets_in(tmp_path: Path) -> None:
    with private_server(tmp_path, "--auth", "right") as server:
        connects(tmp_path, server.url, token="right")
        assert "refuses the login" in refusal(tmp_path, server.url, token="wrong")


def test_an_nkey_lets_in(tmp_path: Path) -> None:
    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(seed).public_key.decode()
    (tmp_path / "line.nk").write_bytes(seed)
    conf = tmp_path / "nats-server.conf"
    conf.write_text(f"authorization {{ users = [ {{ nkey: {public} }} ] }}\n")
    with private_server(tmp_path, "-c", str(conf)) as server:
        connects(tmp_path, server.url, nkey=tmp_path / "line.nk")
        for content in ("", "garbage", "-----BEGIN USER NKEY SEED-----"):
            (tmp_path / "no.nk").write_text(content)
            for key, holds in (("nkey", "seed of an nkey"), ("credentials", "JWT and nkey")):
                sentence = refusal(tmp_path, server.url, **{key: tmp_path / "no.nk"})
                assert f"plugins.nats.{key} is '{tmp_path / 'no.nk'}', which holds no {holds}" in sentence
        assert "refuses the login" in refusal(tmp_path, server.url)


def test_tls_is_checked(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    arguments = ("--tls", "--tlscert", str(pem), "--tlskey", str(key), "--user", "line", "--pass", "right")
    with private_server(tmp_path, *arguments) as server:
        url = server.url.replace("nats://", "tls://")
        connects(tmp_path, url, tls_ca=pem, user="line", password="right")
        assert "TLS fails" in refusal(tmp_path, url, user="line", password="right")


def test_a_password_is_not_sent_where_tls_was_wanted_and_is_not_there(tmp_path: Path) -> None:
    with private_server(tmp_path, "--user", "line", "--pass", "right", "-V") as server:
        url = server.url.replace("nats://", "tls://")
        assert "offers no TLS" in refusal(tmp_path, url, user="line", password="right")
        assert "offers no TLS" in refusal(tmp_path, url.replace("//", "//line:right@"))
        assert "CONNECT" not in (tmp_path / "nats-server.log").read_text()
