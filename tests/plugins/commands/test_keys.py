"""``linecore keys``, and the way from there to a line that other computers may send to."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import pytest

from linecore.testing import Recorder, grey
from linecore_plugins.zmq.keys import KeyPair
from tests.lines import linecore
from tests.plugins.commands.test_send import send
from tests.plugins.zmq.lines import serving


def test_two_files_are_made_and_the_public_key_is_printed(tmp_path: Path) -> None:
    done = linecore("keys", "new", tmp_path / "left")
    pair = KeyPair.read(tmp_path / "left.secret")
    assert (done.returncode, done.stdout) == (0, f"{pair.public}\n")
    assert "cat left.public >> senders.keys" in done.stderr
    assert pair.secret not in done.stderr
    assert stat.S_IMODE((tmp_path / "left.secret").stat().st_mode) == 0o600
    for name in ("left.secret", "left.public"):
        assert linecore("keys", "show", tmp_path / name).stdout == f"{pair.public}\n"
    again = linecore("keys", "new", tmp_path / "left")
    assert again.returncode == 2
    assert "left.secret exists, and keys are never overwritten" in again.stderr
    assert KeyPair.read(tmp_path / "left.secret") == pair


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["new", "two words"], "the name is 'two words'; it must be one printable word"),
        (["new", "nowhere/at/all"], "cannot be written: No such file or directory"),
        (["show", "nothing"], "the key file nothing does not exist"),
        (["show", "pyproject.toml"], "holds no public key"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_exit_code_2(words: list[str], sentence: str) -> None:
    done = linecore("keys", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_files_are_sent_with_keys(tmp_path: Path) -> None:
    for name in ("line", "left"):
        assert linecore("keys", "new", tmp_path / name).returncode == 0
    (tmp_path / "senders.keys").write_text((tmp_path / "left.public").read_text())
    cv2.imwrite(str(tmp_path / "a.png"), grey())
    keys = {"secret_key": tmp_path / "line.secret", "allowed_keys": tmp_path / "senders.keys"}
    with serving(Recorder(), tmp_path, "tcp://0.0.0.0:0", **keys) as (address, _):
        words = [address.replace("0.0.0.0", "127.0.0.1"), "a.png", "--timeout", "1"]
        right = send(*words, "--key", "left.secret", "--server-key", "line.public", cwd=tmp_path)
        assert (right.stdout, right.stderr) == ("1 of 1 recorded\n", "")
        stranger = send(*words, "--key", "line.secret", "--server-key", "line.public", cwd=tmp_path)
        assert stranger.returncode == 1
        assert "the line does not have this sender's key on its list" in stranger.stderr
    half = send(*words, "--key", "left.secret", cwd=tmp_path)
    assert (half.returncode, "--key and --server-key go together" in half.stderr) == (2, True)
