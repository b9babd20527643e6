"""A secret that was put in with ${NAME} does not come out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from linecore.config import parse_config
from linecore.secrets import HidingFormatter, Secrets

SECRET = "pa ss/wörd'\"\\n"
FILE = b"""
[line]
name = "a"
[plugins.webhook]
url = "https://host/${PATH_PART}/x"
token = "${TOKEN}"
headers = { Cookie = "a=${TOKEN};b=${PATH_PART}" }
"""


@pytest.fixture
def config() -> Any:
    return parse_config(FILE, Path("line.toml"), {"TOKEN": SECRET, "PATH_PART": "T0k3n-in-path"})


def test_a_secret_is_hidden_in_every_form_that_it_takes(config: Any) -> None:
    hide = config.secrets.hide
    assert hide(f"GET https://host/T0k3n-in-path/x with {SECRET}") == "GET https://host/${PATH_PART}/x with ${TOKEN}"
    assert hide("pa%20ss/w%C3%B6rd%27%22%5Cn") == hide("pa+ss%2Fw%C3%B6rd%27%22%5Cn") == "${TOKEN}"
    assert hide(repr({"token": SECRET})) == "{'token': '${TOKEN}'}"
    assert hide("nothing to hide") == "nothing to hide"


def test_a_config_does_not_show_them(config: Any) -> None:
    shown = repr(config)
    assert "${TOKEN}" in shown
    assert "T0k3n" not in shown and "wörd" not in shown


def test_a_short_secret_does_not_blot_out_the_sentence() -> None:
    assert Secrets({"a": "${A}", "": "${B}"}).hide("a banana") == "a banana"


def test_logs_and_their_tracebacks_hide_them(config: Any) -> None:
    formatter = HidingFormatter(config.secrets.hide, "%(levelname)s %(message)s")
    try:
        raise RuntimeError(f"refused {SECRET}")
    except RuntimeError as error:
        information = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "sent %s", ("T0k3n-in-path",), information)
    text = formatter.format(record)
    assert text.startswith("ERROR sent ${PATH_PART}\n")
    assert "RuntimeError: refused ${TOKEN}" in text
    assert SECRET not in text
