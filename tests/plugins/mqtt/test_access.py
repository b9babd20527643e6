"""Who is let in, and what is said where nobody is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from linecore.config import load_config
from linecore.errors import ConfigError
from linecore.line import Line
from linecore.testing import run
from linecore_plugins.mqtt.sink import MqttSink
from tests.plugins.mqtt.brokers import PrivateBroker, private_broker
from tests.plugins.mqtt.lines import line_of, sink
from tests.servers import certificate, program

SECRET = "m4rker-0f-a-secret"


def refusal(folder: Path, url: str, **more: Any) -> str:
    line = line_of(sink(url, "plant", **more), folder)
    with pytest.raises(ConfigError) as caught:
        line.prepare()
    return str(caught.value)


def delivers(folder: Path, url: str, broker: PrivateBroker, **more: Any) -> None:
    line = line_of(sink(url, "plant", **more), folder)
    run(line)
    assert line.left_for_later == {}
    assert broker.log.count("'linecore/v1/plant/rolling/mill/inspection'") == 3


def with_password(folder: Path, password: str) -> str:
    """Return a broker's settings that let `line` in alone."""
    passwords = folder / "passwords"
    command = [program("mosquitto_passwd"), "-c", "-b", str(passwords), "line", password]
    subprocess.run(command, check=True, capture_output=True)
    return f"allow_anonymous false\npassword_file {passwords}"


def test_another_computer_is_not_reached_in_the_clear(tmp_path: Path) -> None:
    assert refusal(tmp_path, "mqtt://192.0.2.1") == (
        "line.toml: plugins.mqtt.url is 'mqtt://192.0.2.1', another computer without TLS; "
        "use mqtts://, or set allow_plaintext = true"
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, "mqtts://127.0.0.1", tls_ca=tmp_path / "ca.pem")
    assert sentence.endswith(f"plugins.mqtt.tls_ca is '{tmp_path / 'ca.pem'}', which does not exist; name a file")


def test_a_password_lets_in(tmp_path: Path) -> None:
    with private_broker(tmp_path, with_password(tmp_path, "right")) as broker:
        delivers(tmp_path, broker.url, broker, user="line", password="right")
        sentence = refusal(tmp_path, broker.url, user="line", password=SECRET)
        assert f"plugins.mqtt.url is '{broker.url}', and the broker refuses the login (Not authorized)" in sentence
        assert SECRET not in sentence
        assert "refuses the login" in refusal(tmp_path, broker.url)


@pytest.mark.parametrize("limit", ["retain_available false", "max_qos 0"])
def test_a_broker_that_keeps_nothing_is_refused(tmp_path: Path, limit: str) -> None:
    with private_broker(tmp_path, f"{limit}\nallow_anonymous true") as broker:
        assert "the broker refuses retained messages of QoS 1 (it says so itself)" in refusal(tmp_path, broker.url)


def test_tls_is_checked(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    with private_broker(tmp_path, f"allow_anonymous true\ncertfile {pem}\nkeyfile {key}") as broker:
        url = broker.url.replace("mqtt:", "mqtts:")
        delivers(tmp_path, url, broker, tls_ca=pem)
        assert "and TLS fails: CERTIFICATE_VERIFY_FAILED; see tls_ca and tls_certificate" in refusal(tmp_path, url)


def test_a_certificate_lets_in(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    settings = f"certfile {pem}\nkeyfile {key}\ncafile {pem}\nrequire_certificate true\nuse_identity_as_username true"
    with private_broker(tmp_path, settings) as broker:
        url = broker.url.replace("mqtt:", "mqtts:")
        delivers(tmp_path, url, broker, tls_ca=pem, tls_certificate=pem, tls_key=key)
        line = line_of(sink(url, "plant", tls_ca=pem), tmp_path)
        line.prepare()
        assert "cannot be reached" in "".join(line.remarks())
        line.release()
    (tmp_path / "no.pem").write_text("nothing")
    assert "cannot be used" in refusal(tmp_path, url, tls_ca=pem, tls_certificate=tmp_path / "no.pem", tls_key=key)


def test_a_password_is_not_sent_where_tls_was_wanted_and_is_not_there(tmp_path: Path) -> None:
    with private_broker(tmp_path, with_password(tmp_path, "right")) as broker:
        url = broker.url.replace("mqtt:", "mqtts:")
        line = line_of(sink(url, "plant", user="line", password="right"), tmp_path)
        line.prepare()
        assert "it ends the connection where TLS begins" in "".join(line.remarks())
        line.release()
        assert "New client connected" not in broker.log


def test_a_login_is_told_to_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with private_broker(tmp_path, with_password(tmp_path, "right")) as broker:
        path = tmp_path / "line.toml"
        path.write_text(
            f'[line]\nname = "mill"\n[plugins.mqtt]\nurl = "{broker.url}"\nsite = "s"\narea = "a"\n'
            'user = "line"\npassword = "${SECRET}"\n'
        )
        config = load_config(path, {"SECRET": SECRET})
        line = Line.from_config(config)
        with caplog.at_level("DEBUG"), pytest.raises(ConfigError) as caught:
            line.prepare()
    mqtt = line.setup.roster["mqtt"]
    assert isinstance(mqtt, MqttSink)
    assert SECRET not in f"{caught.value!r}{caplog.text}{vars(mqtt)}{vars(mqtt._connection)}{mqtt.config}{config!r}"
    with pytest.raises(ConfigError) as caught:
        path.write_text(path.read_text().replace(broker.url, "mqtt://me:${SECRET}@host"))
        Line.from_config(load_config(path, {"SECRET": SECRET}))
    assert SECRET not in str(caught.value)
