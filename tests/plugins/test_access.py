"""What NATS and MQTT share of reaching a server over a network."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from linecore.errors import ConfigError
from linecore_plugins.access import AccessOptions, tls_context
from linecore_plugins.mqtt.access import BrokerOptions
from linecore_plugins.nats.access import ServerOptions
from tests.servers import program

ADDRESSES = [(BrokerOptions, "mqtts://127.0.0.1:8883"), (ServerOptions, "tls://127.0.0.1:4222")]


@pytest.mark.parametrize(("options", "url"), ADDRESSES)
def test_a_key_that_asks_for_its_password_is_refused_and_does_not_wait_at_a_terminal(
    options: type[AccessOptions], url: str, tmp_path: Path
) -> None:
    pem, key = tmp_path / "line.pem", tmp_path / "line.key"
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:secret"]
    subprocess.run([*command, "-subj", "/CN=line", "-keyout", key, "-out", pem], check=True, capture_output=True)
    with pytest.raises(ConfigError, match="^sinks.far: tls_certificate, tls_key cannot be used .*; name PEM files$"):
        tls_context(options(url=url, tls_certificate=pem, tls_key=key), "sinks.far")


@pytest.mark.parametrize(("options", "url"), ADDRESSES)
def test_tls_files_want_an_address_with_tls(options: type[AccessOptions], url: str, tmp_path: Path) -> None:
    assert options(url=url, tls_ca=tmp_path / "ca.pem").tls_files == {"tls_ca": tmp_path / "ca.pem"}
    with pytest.raises(ValueError, match=f"need an address that begins with {options.SECURE}://"):
        options(tls_ca=tmp_path / "ca.pem")  # type: ignore[call-arg]  # both have an address of their own
