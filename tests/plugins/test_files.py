from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore.decoding import decode
from linecore.errors import ConfigError
from linecore.inspection import Decision
from linecore.testing import Always, Images, Recorder, grey, make_line, run
from linecore_plugins.files import FilesSink, file_name, write_atomically
from tests.plugins.inspections import inspection

DAY = Path("line-1/2026-01-02")


def sink(folder: Path, **options: object) -> FilesSink:
    made = FilesSink(FilesSink.Config.model_validate({"path": folder, **options}))
    made.start()
    return made


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_rejects_are_kept_by_line_day_and_decision(tmp_path: Path) -> None:
    sink(tmp_path).record([inspection(1), inspection(2, Decision.PASS, "ok")])
    assert written(tmp_path) == [f"{DAY}/FAIL/folder/1.overlay.jpg", f"{DAY}/FAIL/folder/1.png"]


def test_evidence_names_what_record_writes(tmp_path: Path) -> None:
    one, files = inspection(1), sink(tmp_path)
    named = files.evidence(one)
    files.record([one])
    assert [evidence.kind for evidence in named] == ["image", "overlay"]
    assert sorted(evidence.path for evidence in named) == sorted(str(path) for path in tmp_path.rglob("*.*g"))


def test_an_encoded_frame_is_kept_byte_for_byte(tmp_path: Path) -> None:
    encoded = cv2.imencode(".jpg", grey())[1].tobytes()
    sink(tmp_path, overlays=False).record([inspection(1, encoded=encoded)])
    (path,) = tmp_path.rglob("*.jpg")
    assert path.read_bytes() == encoded


def test_a_broken_file_is_kept_for_a_look_at_what_it_was(tmp_path: Path) -> None:
    broken = inspection(1, Decision.NO_RESULT, image=np.empty((0, 0), np.uint8), encoded=b"no image", explained=False)
    sink(tmp_path).record([broken])
    (path,) = tmp_path.rglob("*.bin")
    assert path.read_bytes() == b"no image"


def test_an_array_is_kept_without_loss(tmp_path: Path) -> None:
    image = np.arange(32 * 32, dtype=np.uint16).astype(np.uint8).reshape(32, 32)
    sink(tmp_path, overlays=False).record([inspection(1, image=image)])
    (path,) = tmp_path.rglob("*.png")
    assert np.array_equal(decode(path.read_bytes()), image)


def test_recording_again_changes_nothing(tmp_path: Path) -> None:
    files = sink(tmp_path)
    files.record([inspection(1)])
    before = written(tmp_path)
    files.record([inspection(1)])
    assert written(tmp_path) == before


def test_names_are_safe_and_differ_where_ids_differ() -> None:
    names = [file_name(one) for one in ("a/b", "a_b", "../../etc/passwd", "x" * 300, "x" * 301, "a\nb", "ä", "a:b")]
    assert len(set(names)) == len(names)
    assert all("/" not in name and len(name) < 140 and name.isascii() for name in names)


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_atomically(path, b"old")
    (tmp_path / ".a.png.part").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"plugins\.files\.path is '.*', which cannot be made: Not a directory"):
        sink(tmp_path / "file" / "evidence")


def test_other_sinks_learn_the_paths(tmp_path: Path) -> None:
    recorder = Recorder()
    plugins = {"images": Images([grey()]), "judge": Always(), "files": sink(tmp_path), "recorder": recorder}
    run(make_line(plugins))
    (evidence,) = recorder.inspections[0].evidence
    assert Path(evidence.path).is_file()


def test_masks_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    marked, unmarked = inspection(1), inspection(2)
    assert marked.explanation is not None
    mask = np.zeros((32, 32), np.uint8)
    mask[4:8, 20:24] = 255
    marked = replace(marked, explanation=replace(marked.explanation, mask=mask))
    files = sink(tmp_path, images=False, overlays=False, masks=True)
    files.record([marked, unmarked])
    assert written(tmp_path) == [f"{DAY}/FAIL/folder/1.mask.png"]
    assert [(one.kind, one.path) for one in files.evidence(marked)] == [("mask", str(tmp_path / written(tmp_path)[0]))]
    kept = cv2.imread(str(tmp_path / written(tmp_path)[0]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(kept, mask)
