import json
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from linecore.control import NAME, Answer, NotServedError, Request, ask, control_socket
from linecore.errors import ConfigError, LinecoreError
from linecore.messages import Json


def refuse(_: Request) -> Json:
    raise ConfigError("line.toml: the wish is wrong")


def break_down(_: Request) -> Json:
    raise RuntimeError("a bug")


ANSWERS: Mapping[str, Answer] = {"echo": lambda request: request["word"], "refuse": refuse, "break": break_down}


def test_a_question_is_answered(tmp_path: Path) -> None:
    with control_socket(tmp_path, ANSWERS):
        assert ask(tmp_path, "echo", word="ä") == "ä"
        assert ask(tmp_path, "echo", word=[1, {"two": None}]) == [1, {"two": None}]
    assert not (tmp_path / NAME).exists()


def test_errors_are_the_sentences_of_the_line(tmp_path: Path) -> None:
    with control_socket(tmp_path, ANSWERS):
        with pytest.raises(LinecoreError, match="the wish is wrong"):
            ask(tmp_path, "refuse")
        with pytest.raises(LinecoreError, match="RuntimeError: a bug"):
            ask(tmp_path, "break")
        with pytest.raises(LinecoreError, match="with do: echo, refuse, break"):
            ask(tmp_path, "dance")


def test_nobody_answers_where_nobody_serves(tmp_path: Path) -> None:
    with pytest.raises(NotServedError):
        ask(tmp_path, "echo")


def test_what_a_killed_process_has_left_is_in_nobodys_way(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))
    with pytest.raises(NotServedError):
        ask(tmp_path, "echo")
    with control_socket(tmp_path, ANSWERS):
        assert ask(tmp_path, "echo", word=1) == 1


def test_only_its_user_may_ask_and_its_path_may_be_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with control_socket(folder, ANSWERS):
        assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
        assert ask(folder, "echo", word=1) == 1


def test_nonsense_is_answered_and_whoever_hangs_up_harms_nobody(tmp_path: Path) -> None:
    with control_socket(tmp_path, ANSWERS):
        for nonsense in (b"\n", b"{\n", b"[]\n", b'{"do": []}\n', b"\xff\xff\n", b""):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(tmp_path / NAME))
                peer.sendall(nonsense)
                peer.shutdown(socket.SHUT_WR)
                with peer.makefile("rb") as answer:
                    assert "error" in json.loads(answer.readline())
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(tmp_path / NAME))
        assert ask(tmp_path, "echo", word=1) == 1
