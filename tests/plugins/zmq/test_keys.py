"""With keys, nobody else gets in: each case on real sockets, encrypted by ZeroMQ."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq
import zmq.auth
from pydantic import ValidationError

from linecore.errors import ConfigError
from linecore.events import FrameCaptured, SequenceGap
from linecore.testing import PATIENCE_S, Listener, Recorder, make_line
from linecore_plugins.zmq.keys import AllowList, KeyPair, is_key, read_public
from linecore_plugins.zmq.sender import ZmqSender
from linecore_plugins.zmq.source import ZmqSource
from tests.plugins.zmq.lines import ANY_PORT, PNG, connected, serving

LINE, LEFT, RIGHT, STRANGER = (KeyPair.new() for _ in range(4))
ANYWHERE = "tcp://0.0.0.0:0"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the line's key, and a list with that of the left sender."""
    folder = tmp_path / "keys"
    folder.mkdir()
    LINE.write(folder / "line", "line")
    (folder / "senders.keys").write_text(f"# who may send\n\n{LEFT.public} left\n")
    return folder


@contextmanager
def guarded(sink: Recorder, keys: Path, bind: str = ANY_PORT) -> Iterator[tuple[str, Listener]]:
    options = {"secret_key": keys / "line.secret", "allowed_keys": keys / "senders.keys"}
    with serving(sink, keys.parent, bind, **options) as (address, listener):
        yield address.replace("0.0.0.0", "127.0.0.1"), listener


def send(address: str, key: KeyPair | None, server_key: str | None, frame: str = "a", timeout_s: float = 1.5) -> str:
    """Send one frame; the answer is its status, or why there was none."""
    with ZmqSender(address, key=key, server_key=server_key, resend_s=0.1, timeout_s=timeout_s) as sender:
        answer = sender.send(frame, encoded=PNG)
    return answer.reason or "" if answer.status == "unanswered" else answer.status


def test_the_right_keys_pass_also_where_other_computers_can_reach_the_line(keys: Path) -> None:
    sink = Recorder()
    with guarded(sink, keys, ANYWHERE) as (address, _):
        assert send(address, LEFT, LINE.public) == "recorded"
    assert sink.inspections[0].frame.origin == f"{address.replace('127.0.0.1', '0.0.0.0')} left"


def test_a_key_that_is_not_on_the_list_is_refused_and_logged_once(keys: Path, caplog: pytest.LogCaptureFixture) -> None:
    with guarded(Recorder(), keys) as (address, listener), caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert "the line does not have this sender's key on its list" in send(address, STRANGER, LINE.public)
        assert send(address, RIGHT, LINE.public) != "recorded"
        assert send(address, LEFT, LINE.public) == "recorded"
        assert len(listener.of(FrameCaptured)) == 1
    said = [record.getMessage() for record in caplog.records if "not allowed to send" in record.getMessage()]
    assert [STRANGER.public in one for one in said] == [True, False]
    assert "127.0.0.1" in said[0]
    assert LINE.secret not in caplog.text


def test_whoever_takes_another_for_the_line_sends_nothing(keys: Path) -> None:
    with guarded(Recorder(), keys) as (address, listener):
        assert "no answer within 1.5 s; the line hung up" in send(address, LEFT, STRANGER.public)
        assert listener.of(FrameCaptured) == []


def test_a_sender_without_keys_is_not_heard(keys: Path) -> None:
    with guarded(Recorder(), keys) as (address, listener), connected(address) as bare:
        assert "one side alone uses keys" in send(address, None, None)
        with suppress(zmq.Again):  # ZeroMQ has given the connection up
            bare.send_multipart([b'{"version": 1, "id": "a", "encoding": "png"}', PNG], zmq.NOBLOCK)
        assert not bare.poll(300)
        assert listener.of(FrameCaptured) == []


def test_a_sender_with_keys_does_not_talk_to_a_line_without(tmp_path: Path) -> None:
    with serving(Recorder(), tmp_path) as (address, listener):
        assert "one side alone uses keys" in send(address, LEFT, LINE.public)
        assert listener.of(FrameCaptured) == []


def test_nothing_of_a_frame_can_be_read_on_its_way(keys: Path) -> None:
    """The line's own end of ZeroMQ says which mechanism was agreed on; a plain one would not have been let in."""
    with guarded(Recorder(), keys) as (address, _), zmq.Context() as context, context.socket(zmq.DEALER) as bare:
        bare.set(zmq.LINGER, 0)
        bare.curve_serverkey, bare.curve_publickey, bare.curve_secretkey = (
            text.encode() for text in (LINE.public, LEFT.public, LEFT.secret)
        )
        assert bare.get(zmq.MECHANISM) == zmq.CURVE
        bare.connect(address)
        bare.send_multipart([b'{"version": 1, "id": "a", "encoding": "png"}', PNG])
        assert bare.poll(int(PATIENCE_S * 1000))


def test_a_key_taken_from_the_list_is_refused_with_the_next_message(keys: Path) -> None:
    with (
        guarded(Recorder(), keys) as (address, _),
        ZmqSender(address, key=LEFT, server_key=LINE.public) as sender,
    ):
        assert sender.send("a", encoded=PNG).status == "recorded"
        (keys / "senders.keys").write_text(f"{RIGHT.public} right\n")
        refused = sender.send("b", encoded=PNG)
        assert (refused.status, refused.reason) == ("refused", "its key is no longer on the line's list")
        assert send(address, RIGHT, LINE.public, "c") == "recorded"


def test_a_key_taken_from_the_list_is_refused_after_a_restart(keys: Path) -> None:
    with guarded(Recorder(), keys) as (address, _):
        assert send(address, LEFT, LINE.public) == "recorded"
    (keys / "senders.keys").write_text("# nobody\n")
    with guarded(Recorder(), keys) as (address, listener):
        assert "does not have this sender's key" in send(address, LEFT, LINE.public, "b")
        assert listener.of(FrameCaptured) == []


def test_a_list_that_cannot_be_read_for_a_moment_holds_as_it_was(keys: Path, caplog: pytest.LogCaptureFixture) -> None:
    allowed = AllowList(keys / "senders.keys")
    (keys / "senders.keys").write_text("half a li")
    assert allowed.name_of(LEFT.public) == "left"
    (keys / "senders.keys").unlink()
    assert allowed.name_of(LEFT.public) == "left"
    assert "the keys that may send stay as they were" in caplog.text
    (keys / "senders.keys").write_text(f"{RIGHT.public}")
    assert (allowed.name_of(LEFT.public), allowed.name_of(RIGHT.public)) == (None, RIGHT.public)


def test_frames_without_a_senders_name_are_numbered_under_the_name_of_the_key(keys: Path) -> None:
    with (
        guarded(Recorder(), keys) as (address, listener),
        zmq.Context() as context,
        context.socket(zmq.DEALER) as bare,
    ):
        bare.set(zmq.LINGER, 0)
        bare.curve_serverkey, bare.curve_publickey, bare.curve_secretkey = (
            text.encode() for text in (LINE.public, LEFT.public, LEFT.secret)
        )
        bare.connect(address)
        for number in (0, 2):
            text = '{"version": 1, "id": "%d", "encoding": "png", "sequence": %d}'
            bare.send_multipart([(text % (number, number)).encode(), PNG])
        assert listener.wait_for(SequenceGap) == [SequenceGap("zmq", "left", 1, 2)]


def test_a_secret_file_is_its_owners_alone_and_other_programs_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        secret, public = LEFT.write(tmp_path / "left", "left")
    finally:
        os.umask(old)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert KeyPair.read(secret) == LEFT
    assert zmq.auth.load_certificate(secret) == (LEFT.public.encode(), LEFT.secret.encode())
    assert public.read_text() == f"{LEFT.public} left\n"
    assert [read_public(str(one)) for one in (LEFT.public, public, secret)] == [LEFT.public] * 3
    assert LEFT.secret not in repr(LEFT)
    with pytest.raises(ConfigError, match=r"left\.secret exists, and keys are never overwritten"):
        RIGHT.write(tmp_path / "left", "left")
    assert KeyPair.read(secret) == LEFT


def test_keys_of_other_programs_can_be_read(tmp_path: Path) -> None:
    _, secret = zmq.auth.create_certificates(tmp_path, "czmq")
    Path(secret).chmod(0o600)
    assert is_key(KeyPair.read(Path(secret)).public)


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (None, 0o600, "does not exist; `linecore keys new NAME` makes one"),
        ("curve", 0o644, "is open to everybody on this computer; chmod 600 it"),
        ("curve", 0o600, "holds no secret key"),
        (f'secret-key = "{LEFT.secret}"\npublic-key = "{RIGHT.public}"', 0o600, "two keys that do not belong together"),
        ("\udcff", 0o600, "is no text"),
    ],
)
def test_a_wrong_key_file_is_one_sentence(keys: Path, text: str | None, mode: int, sentence: str) -> None:
    secret = keys / "line.secret"
    secret.unlink()
    if text is not None:
        secret.write_bytes(text.encode(errors="surrogateescape"))
        secret.chmod(mode)
    config = ZmqSource.Config(bind=ANY_PORT, secret_key=secret, allowed_keys=keys / "senders.keys")
    with pytest.raises(ConfigError, match=rf"^line\.toml: plugins\.in\.secret_key: .*{sentence}") as caught:
        make_line({"in": ZmqSource(config)}, folder=keys).prepare()
    assert LEFT.secret not in str(caught.value)


def test_a_wrong_list_is_one_sentence(keys: Path) -> None:
    (keys / "senders.keys").write_text(f"{LEFT.public} left\nright\n")
    config = ZmqSource.Config(bind=ANY_PORT, secret_key=keys / "line.secret", allowed_keys=keys / "senders.keys")
    with pytest.raises(
        ConfigError, match=r"plugins\.in\.allowed_keys: .*senders\.keys, line 2, is no `public-key name`"
    ):
        make_line({"in": ZmqSource(config)}, folder=keys).prepare()


def test_half_a_wish_is_refused(keys: Path) -> None:
    with pytest.raises(ValidationError, match="secret_key and allowed_keys go together"):
        ZmqSource.Config(secret_key=keys / "line.secret")
    with pytest.raises(ValidationError, match="insecure = true and keys contradict each other"):
        ZmqSource.Config(insecure=True, secret_key=keys / "line.secret", allowed_keys=keys / "senders.keys")
    with pytest.raises(ConfigError, match="go together; give both"):
        ZmqSender(ANY_PORT, key=LEFT)
    with pytest.raises(ConfigError, match="the line's key is 'short'; a public key has 40 characters"):
        ZmqSender(ANY_PORT, key=LEFT, server_key="short")


def test_what_is_open_to_everybody_or_to_nobody_is_remarked(keys: Path) -> None:
    (keys / "senders.keys").write_text("# nobody yet\n")
    guarded_line = make_line(
        {
            "in": ZmqSource(
                ZmqSource.Config(bind=ANY_PORT, secret_key=keys / "line.secret", allowed_keys=keys / "senders.keys")
            )
        }
    )
    open_line = make_line({"in": ZmqSource(ZmqSource.Config(bind=ANYWHERE, insecure=True))})
    said = []
    for line in (guarded_line, open_line):
        line.prepare()
        said.append([remark for remark in line.remarks() if "plugins.in" in remark])
        line.release()
    assert said == [
        ["plugins.in: allowed_keys names no key, so nobody may send"],
        [f"plugins.in: insecure = true: whoever reaches {ANYWHERE} may send frames, and read them on their way"],
    ]
