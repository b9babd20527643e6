"""The folder source on real folders: each version of a file is one frame, whatever happens around it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from linecore.errors import ConfigError
from linecore.inspection import Decision
from linecore.ledger import RECORDED, Outcome
from linecore.testing import Always, Recorder, make_line, run
from tests.plugins.folder.folders import BIG_PNG, PNG, folder_source, names, offered, prepared, put


def test_files_come_in_natural_order_or_by_time(folder: Path) -> None:
    for age, name in enumerate(("strip_10.png", "strip_9.png", "strip_1.png")):
        os.utime(put(folder, name), (1e9 + age, 1e9 + age))
    assert names(offered(folder)) == ["strip_1.png", "strip_9.png", "strip_10.png"]
    assert names(offered(folder, order="time")) == ["strip_10.png", "strip_9.png", "strip_1.png"]


def test_a_frame_has_the_bytes_the_path_and_the_time_of_its_file(folder: Path) -> None:
    os.utime(put(folder, "a.png"), (1e9, 1e9))
    (frame,) = offered(folder)
    assert (frame.encoded, frame.origin) == (PNG, str(folder / "in/a.png"))
    assert frame.captured_at.timestamp() == 1e9
    assert frame.id.startswith("test/folder/a.png@")


def test_a_restart_offers_again_what_was_not_settled_and_only_that(folder: Path) -> None:
    put(folder, "a.png")
    put(folder, "b.png")
    unsettled = offered(folder)
    again = offered(folder, settle=RECORDED)
    assert [frame.id for frame in again] == [frame.id for frame in unsettled]
    assert offered(folder) == []


def test_a_dropped_frame_is_offered_again_by_the_next_start(folder: Path) -> None:
    put(folder, "a.png")
    first = offered(folder, settle=Outcome(dropped="internal error"), done="delete")
    assert [frame.id for frame in offered(folder)] == [frame.id for frame in first]


def test_new_content_under_an_old_name_is_a_new_frame(folder: Path) -> None:
    put(folder, "a.png")
    (old,) = offered(folder, settle=RECORDED)
    put(folder, "a.png", BIG_PNG)
    (new,) = offered(folder, settle=RECORDED)
    assert (new.encoded, new.origin) == (BIG_PNG, old.origin)
    assert new.id != old.id


def test_temporary_names_other_patterns_and_what_is_no_file_do_not_count(folder: Path) -> None:
    for name in (".a.png", "b.png.part", "c.png.tmp", "notes.txt", "D.PNG", "e.jpeg", ".hidden/f.png"):
        put(folder, name)
    (folder / "in/g.png").mkdir()
    os.mkfifo(folder / "in/h.png")
    assert names(offered(folder)) == ["D.PNG", "e.jpeg"]
    assert names(offered(folder, patterns=["*"])) == ["D.PNG", "e.jpeg", "notes.txt"]


def test_sub_folders_count_when_asked_for(folder: Path) -> None:
    put(folder, "a.png")
    put(folder, "left/a.png")
    assert len(offered(folder)) == 1
    assert len({frame.id for frame in offered(folder, recursive=True)}) == 2


def test_a_link_out_of_the_folder_is_refused_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = folder / "secret.png"
    secret.write_bytes(PNG)
    (folder / "in/out.png").symlink_to(secret)
    (folder / "in/dangling.png").symlink_to(folder / "in/nothing.png")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/c.png").write_bytes(PNG)
    (folder / "in/linked").symlink_to(folder / "elsewhere")
    put(folder, "real.png")
    (folder / "in/inside.png").symlink_to("real.png")
    assert names(offered(folder, recursive=True)) == ["inside.png", "real.png"]
    assert "out.png is a link and is left alone: it points elsewhere" in caplog.text


@pytest.mark.parametrize("name", [b"a\nb.png", b"a\xff\xfe.png", b"\xc3\xa4 %s\t'\".png", b"x" * 251 + b".png"])
def test_any_file_name_works(folder: Path, name: bytes) -> None:
    put(folder, os.fsdecode(name))
    (frame,) = offered(folder, settle=RECORDED)
    assert frame.encoded == PNG
    assert frame.id.isprintable()
    assert len(frame.id) <= len("test/folder/") + 160
    assert frame.id.encode() and (frame.origin or "").encode()
    assert offered(folder) == []


def test_names_that_differ_only_beyond_what_is_shown_are_two_frames(folder: Path) -> None:
    put(folder, f"a{'x' * 200}.png")
    put(folder, f"b{'x' * 200}.png")
    assert len({frame.id for frame in offered(folder)}) == 2


def test_a_broken_image_is_a_no_result_and_the_line_goes_on(folder: Path) -> None:
    for name, content in (("a.png", PNG[:40]), ("b.png", b""), ("c.png", PNG)):
        put(folder, name, content)
    sink = Recorder()
    balance = run(
        make_line({"in": folder_source(folder / "in", watch=False), "judge": Always(), "sink": sink}, folder=folder)
    )
    decisions = {Path(one.frame.origin or "").name: one.verdict.decision for one in sink.inspections}
    assert decisions == {"a.png": Decision.NO_RESULT, "b.png": Decision.NO_RESULT, "c.png": Decision.FAIL}
    assert balance.recorded == 3


def test_a_file_that_may_not_be_read_counts_as_empty(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(folder, "a.png")
    forbidden = put(folder, "b.png")
    source = folder_source(folder / "in", watch=False)
    with prepared(source, folder):
        frames = source.frames(threading.Event())
        assert next(frames).encoded == PNG
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        else:
            forbidden.chmod(0)
        try:
            assert next(frames).encoded == b""
        finally:
            if root:
                os.seteuid(0)
    assert "b.png must not be read" in caplog.text


def test_a_file_that_is_gone_before_it_is_read_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(folder, "a.png")
    put(folder, "b.png")
    source = folder_source(folder / "in", watch=False)
    with prepared(source, folder):
        frames = source.frames(threading.Event())
        next(frames)
        (folder / "in/b.png").unlink()
        assert list(frames) == []
    assert "b.png was gone before it was read" in caplog.text


def test_a_file_that_changes_before_it_is_read_waits_again(folder: Path) -> None:
    put(folder, "a.png")
    put(folder, "b.png")
    source = folder_source(folder / "in", watch=False)
    with prepared(source, folder):
        frames = source.frames(threading.Event())
        next(frames)
        put(folder, "b.png", BIG_PNG)
        assert [frame.encoded for frame in frames] == [BIG_PNG]


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ({"done": "move"}, 'done = "move" needs done_folder'),
        ({"done_folder": "/x"}, 'done_folder is for done = "move"'),
        ({"done": "move", "done_folder": "in"}, "name another"),
        ({"patterns": []}, "at least 1 item"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, object], wish: str) -> None:
    with pytest.raises(ValidationError, match=wish):
        folder_source(Path("in"), **options)


def test_a_folder_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^line\.toml: plugins\.folder\.path is '.*/in', which does not exist; create it or "
    ):
        offered(tmp_path)
    (tmp_path / "in").write_text("")
    with pytest.raises(ConfigError, match="which is no folder"):
        offered(tmp_path)
